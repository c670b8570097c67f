"""Everything that was found about this computer, and what could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from qwen_desktop.core.hardware import PARTS, Cpu, Machine
from qwen_desktop.services.events import MachineChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.dialog_body import INSET, ScrollBody, facts
from qwen_desktop.ui.models.words import put, tr
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Paragraph

if TYPE_CHECKING:
    from qwen_desktop.ui.shell import Shell

WIDTH = 560


class MachineDialog(Dialog):
    """Shows what is known and can have it measured again."""

    def __init__(self, shell: Shell, parent: QWidget | None, comfort: str = "") -> None:
        text = tr("What was found here decides which models are said to fit.")
        super().__init__(shell.theme, tr("This computer"), text, parent, width=WIDTH, inset=INSET)
        self._shell = shell
        self._machine: Machine | None = None
        self.area = ScrollBody(self, parent)
        self._holder = QWidget(self.area.body)
        self.area.column.addWidget(self._holder)
        if comfort:
            self.area.column.addWidget(Paragraph(shell.theme, comfort, self.area.body, weight=600))
        self.area.column.addStretch(1)
        self.again = self.add_button(tr("Measure again"))
        self.again.clicked.disconnect()
        self.again.clicked.connect(self._measure)
        copy = self.add_button(tr("Copy"))
        copy.clicked.disconnect()
        copy.clicked.connect(self._copy)
        self.add_button(tr("Close"), kind="primary", default=True)
        shell.services.bus.subscribe(MachineChanged, self._changed, owner=self)
        self.show_machine(shell.services.machines.known)

    def _changed(self, event: MachineChanged) -> None:
        self.show_machine(event.machine)

    def show_machine(self, machine: Machine | None) -> None:
        """Show these facts."""
        if machine is None or machine == self._machine:
            return
        self._machine = machine
        old = self._holder
        self._holder = QWidget(self.area.body)
        column = QVBoxLayout(self._holder)
        column.setContentsMargins(0, 0, 0, 0)
        grid: QGridLayout = facts(self._shell.theme, machine_facts(machine), self._holder)
        column.addLayout(grid)
        self.area.column.replaceWidget(old, self._holder)
        old.hide()
        old.deleteLater()

    def _measure(self) -> None:
        self._shell.operations.run(
            self._shell.services.machines.machine(refresh=True),
            owner=self,
            orphaned="quiet",
            busy=self.again,
            on_done=self.show_machine,
        )

    def _copy(self) -> None:
        if self._machine is not None:
            said = "\n".join(f"{name}: {value}" for name, value in machine_facts(self._machine))
            QGuiApplication.clipboard().setText(said)
            self._shell.notify.toast(tr("The facts are copied."))

    def open(self) -> None:
        self.area.fit(self.inner_width)
        super().open()


def machine_facts(machine: Machine) -> list[tuple[str, str]]:
    """Names and values of what is known."""
    rows = [(tr("System"), machine.system), (tr("Processor"), machine.cpu.model), (tr("Cores"), _cores(machine.cpu))]
    rows.append((tr("Instructions"), ", ".join(machine.cpu.features)))
    found = machine.memory
    if found.total_bytes is not None:
        said = put("{size} in all", size=words.size(found.total_bytes))
        if found.free_bytes is not None:
            said = put("{total}, {free} free", total=said, free=words.size(found.free_bytes))
        rows.append((tr("Memory"), said + (f" ({tr('limited by a container')})" if found.limited else "")))
    if machine.bandwidth_bytes_per_s:
        rate = put("{size} a second, measured", size=words.size(machine.bandwidth_bytes_per_s))
        rows.append((tr("Memory speed"), rate))
    for gpu in machine.gpus:
        name = {"gpu": tr("Graphics card"), "igpu": tr("Graphics"), "accelerator": tr("Accelerator")}[gpu.kind]
        rows.append((name, words.graphics(gpu)))
    if not machine.gpus and "gpu" not in machine.unknown:
        rows.append((tr("Graphics card"), tr("None that models can use")))
    disk = machine.disk
    if disk is not None and disk.free_bytes is not None:
        kind = {"ssd": tr("SSD"), "hdd": tr("hard disk"), "network": tr("network"), "memory": tr("in memory")}
        total = put(" of {size}", size=words.size(disk.total_bytes)) if disk.total_bytes else ""
        said = put("{size} free{total}", size=words.size(disk.free_bytes), total=total)
        rows.append(
            (tr("Disk of the models"), ", ".join(filter(None, (said, kind.get(disk.kind, ""), shown_path(disk.path)))))
        )
    if machine.battery is not None:
        plugged = {True: tr("plugged in"), False: tr("on battery"), None: ""}[machine.battery.plugged]
        said = f"{texts.number(machine.battery.percent)} %"
        rows.append((tr("Battery"), ", ".join(filter(None, (said, plugged)))))
    if machine.unknown:
        unread = ", ".join(texts.marked(PARTS[name]) if name in PARTS else name for name in machine.unknown)
        rows.append((tr("Could not be read"), unread))
    return [(name, value) for name, value in rows if value]


def _cores(cpu: Cpu) -> str:
    parts = []
    if cpu.physical:
        parts.append(words.tr("1 core") if cpu.physical == 1 else put("{n} cores", n=texts.number(cpu.physical)))
    if cpu.performance and cpu.efficiency:
        parts.append(
            put("{fast} fast and {slow} saving", fast=texts.number(cpu.performance), slow=texts.number(cpu.efficiency))
        )
    if cpu.logical and cpu.logical != cpu.physical:
        parts.append(put("{n} threads", n=texts.number(cpu.logical)))
    if cpu.usable and cpu.logical and cpu.usable < cpu.logical:
        parts.append(put("{n} of them usable here", n=texts.number(cpu.usable)))
    return ", ".join(parts)
