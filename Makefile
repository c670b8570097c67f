# Every target calls one standard-library script; on a Windows without make use it directly:
#   py tools\dev.py run
PYTHON ?= python3
DEV := $(PYTHON) tools/dev.py

.PHONY: help run test long setup lint bench shots translations installer clean-cache

help:
	@echo "make run          set up (the first time some minutes) and open the window"
	@echo "make test         set up, then ruff, mypy, import-linter and all tests"
	@echo "make long         look for faults with random inputs, for 20 minutes"
	@echo "make setup        set up only"
	@echo "make lint         the checks without the tests"
	@echo "make bench        the measurements (about speed; not part of the tests)"
	@echo "make translations  read the texts from the package and compile the translations"
	@echo "make shots        draw every page, dialog and state of the window into build/shots"
	@echo "make installer    build this system's installers into dist/ (the first time some 20 minutes)"
	@echo "make clean-cache  forget the built wheel, the test model and the archive of Pele"

run test long setup lint bench shots translations clean-cache:
	@$(DEV) $@

installer:
	@$(PYTHON) installers/build.py
