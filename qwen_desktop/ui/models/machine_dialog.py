"""Everything that was found about this computer, and what could not be read."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.hardware import PARTS, Battery, Cpu, Disk, Machine, Memory
from qwen_desktop.services.events import MachineChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import ScrollDialog, facts
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column


class MachineDialog(ScrollDialog):
    """Shows what is known and can have it measured again."""

    def __init__(self, ui: UiContext, parent: QWidget | None, comfort: str = "") -> None:
        text = translate("MachineDialog", "What was found here decides which models are said to fit.")
        super().__init__(ui, translate("MachineDialog", "This computer"), text, parent, width=560)
        self._machine: Machine | None = None
        self._holder = QWidget(self.area.body)
        self.column.addWidget(self._holder)
        self.say(comfort, weight=600)
        self.column.addStretch(1)
        why = ui.actions["help.slow"]
        self.add_button(why.text(), why.trigger, closes=True)
        self.again = self.add_button(self.tr("Measure again"), self._measure, closes=False)
        self.add_button(self.tr("Copy"), self._copy, closes=False)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        ui.services.bus.subscribe(MachineChanged, lambda event: self.show_machine(event.machine), owner=self)
        self.show_machine(ui.services.machines.known)

    def show_machine(self, machine: Machine | None) -> None:
        """Show these facts."""
        if machine is None or machine == self._machine:
            return
        self._machine = machine
        old = self._holder
        self._holder = QWidget(self.area.body)
        column(facts(self._theme, self._facts(machine), self._holder), on=self._holder)
        self.column.replaceWidget(old, self._holder)
        old.hide()
        old.deleteLater()

    def _measure(self) -> None:
        self._ui.operations.run(
            self._ui.services.machines.machine(refresh=True),
            owner=self,
            orphaned="quiet",
            busy=self.again,
            on_done=self.show_machine,
        )

    def _copy(self) -> None:
        if self._machine is not None:
            said = "\n".join(f"{name}: {value}" for name, value in self._facts(self._machine))
            QGuiApplication.clipboard().setText(said)
            self._ui.notify.toast(self.tr("The facts are copied."))

    # What is known ----------------------------------------------------------------------------------------------------

    def _facts(self, machine: Machine) -> list[tuple[str, str]]:
        """Names and values of what is known."""
        nothing = "" if machine.gpus or "gpu" in machine.unknown else self.tr("None that models can use")
        speed = texts.fill(self.tr("{size} a second, measured"), size=texts.size(machine.bandwidth_bytes_per_s or 0))
        unread = (texts.marked(PARTS[name]) if name in PARTS else name for name in machine.unknown)
        card = self.tr("Graphics card")
        cards = {"gpu": card, "igpu": self.tr("Graphics"), "accelerator": self.tr("Accelerator")}
        rows = [
            (self.tr("System"), machine.system),
            (self.tr("Processor"), machine.cpu.model),
            (self.tr("Cores"), self._cores(machine.cpu)),
            (self.tr("Instructions"), ", ".join(machine.cpu.features)),
            (self.tr("Memory"), self._memory(machine.memory)),
            (self.tr("Memory speed"), speed if machine.bandwidth_bytes_per_s else ""),
            *((cards[gpu.kind], model_texts.graphics(gpu)) for gpu in machine.gpus),
            (card, nothing),
            (self.tr("Disk of the models"), self._disk(machine.disk) if machine.disk is not None else ""),
            (self.tr("Battery"), self._battery(machine.battery) if machine.battery is not None else ""),
            (self.tr("Could not be read"), ", ".join(unread)),
        ]
        return [(name, value) for name, value in rows if value]

    def _cores(self, cpu: Cpu) -> str:
        parts = []
        if cpu.physical:
            parts.append(self.tr("%n core(s)", "", cpu.physical))
        if cpu.performance and cpu.efficiency:
            said = self.tr("{fast} fast and {slow} saving")
            parts.append(texts.fill(said, fast=cpu.performance, slow=cpu.efficiency))
        if cpu.logical and cpu.logical != cpu.physical:
            parts.append(self.tr("%n thread(s)", "", cpu.logical))
        if cpu.usable and cpu.logical and cpu.usable < cpu.logical:
            parts.append(self.tr("%n of them usable here", "", cpu.usable))
        return ", ".join(parts)

    def _memory(self, found: Memory) -> str:
        if found.total_bytes is None:
            return ""
        said = texts.fill(self.tr("{size} in all"), size=texts.size(found.total_bytes))
        if found.free_bytes is not None:
            said = texts.fill(self.tr("{total}, {free} free"), total=said, free=texts.size(found.free_bytes))
        return texts.fill(self.tr("{memory} (limited by a container)"), memory=said) if found.limited else said

    def _disk(self, disk: Disk) -> str:
        if disk.free_bytes is None:
            return ""
        kind = {
            "ssd": self.tr("SSD"),
            "hdd": self.tr("hard disk"),
            "network": self.tr("network"),
            "memory": self.tr("in memory"),
        }
        said = self.tr("{size} free of {total}") if disk.total_bytes else self.tr("{size} free")
        said = texts.fill(said, size=texts.size(disk.free_bytes), total=texts.size(disk.total_bytes or 0))
        return model_texts.line(said, kind.get(disk.kind, ""), shown_path(disk.path))

    def _battery(self, battery: Battery) -> str:
        plugged = {True: self.tr("plugged in"), False: self.tr("on battery"), None: ""}[battery.plugged]
        return model_texts.line(texts.percent(battery.percent / 100), plugged)
