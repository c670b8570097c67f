"""How the conversation on show is answered, or a new one will be: assistant, instructions, values, thinking, model.

What belongs to a conversation is stored with each change; what is chosen for a new one waits here until its first
message, except for the ``Setup``, which is kept with its draft.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from msgspec import structs
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.assistants import Assistant, Begun, FieldKind, Values, begun_of, render, values_of
from qwen_desktop.core.chat import Conversation, Setup
from qwen_desktop.core.engine import Adapter, Capabilities, ThinkingMode
from qwen_desktop.core.model_ref import FileRef, ModelRef
from qwen_desktop.services import events
from qwen_desktop.services.changes import Change
from qwen_desktop.ui import texts
from qwen_desktop.ui.assistants.looks import in_words
from qwen_desktop.ui.chat.assistant_bar import AssistantMenu, FieldsBar
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.empty_chat import EmptyChat
from qwen_desktop.ui.chat.instructions_panel import InstructionsPanel
from qwen_desktop.ui.ui_context import UiContext


class ChatSetup(QObject):
    """Shows it in the parts of a pane that have to do with it, and takes over what is changed there."""

    #: The assistant may be another one, or another now.
    changed = Signal()
    #: What answers may be another model.
    model_changed = Signal()

    def __init__(
        self,
        ui: UiContext,
        feed: ConversationFeed,
        parent: QWidget,
        *,
        composer: Composer,
        fields: FieldsBar,
        panel: InstructionsPanel,
        empty: EmptyChat,
    ) -> None:
        super().__init__(parent)
        self._ui = ui
        self._feed = feed
        self._composer = composer
        self._fields = fields
        self._panel = panel
        self._empty = empty
        #: The conversation as last heard of: that of a new chat is told before its first message.
        self.known: Conversation | None = None
        #: of a new chat, until it is stored
        self._new_thinking = ThinkingMode.AUTO
        self._new_budget: int | None = None
        self._new_model: ModelRef | None = None
        self._new_assistant = ""
        self._new_values: Values = {}
        self._thinking_wish = f"chat.thinking.{id(self)}"
        self._budget_wish = f"chat.budget.{id(self)}"
        self._setup_wish = f"chat.setup.{id(self)}"
        self.assistant_menu = AssistantMenu(ui.theme, ui.actions, parent)
        self.assistant_menu.chosen.connect(self.assist)
        empty.assistants.chosen.connect(self.assist)
        fields.changed.connect(self._fill_fields)
        composer.thinking.chosen.connect(self._thinking_chosen)
        composer.thinking.budget_chosen.connect(self._budget_chosen)
        panel.changed.connect(self._changed)
        panel.reset_wanted.connect(self._reset_setup)
        bus = ui.services.bus
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        bus.subscribe(events.DraftChanged, self._draft_changed, owner=self)
        bus.subscribe(events.AssistantsChanged, self._assistants_changed, owner=self)
        bus.subscribe(events.LibraryChanged, self._assistants_changed, owner=self)

    # The conversation -------------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The id of the conversation on show, "" for a new one."""
        return self._feed.id

    @property
    def conversation(self) -> Conversation | None:
        """The one on show, None for a new one."""
        return self.known if self.current else None

    def leave(self) -> None:
        """Another conversation comes on show, or none: what was typed for this one is stored."""
        self._composer.thinking.budget.moved_on.emit()
        self._panel.flush()

    def _draft_changed(self, event: events.DraftChanged) -> None:
        if event.conversation_id == self.current:
            self.show_setup()

    def forget_wishes(self) -> None:
        """What is being stored needs not be shown any more."""
        for wish in (self._thinking_wish, self._budget_wish, self._setup_wish):
            self._ui.operations.withdraw(wish)
        self._panel.forget_adding()

    def open(self, conversation: Conversation | None) -> None:
        """From now on this one is meant, None for a new one."""
        self.known = conversation
        self._new_thinking = ThinkingMode(self._ui.services.preferences.settings.chat.thinking)
        self._new_budget = None
        if self._new_assistant:
            self._new_model = None
        self._new_assistant, self._new_values = "", {}
        self._show_assistant()

    def take(self, conversation: Conversation) -> None:
        """This is what is known of it now."""
        self.known = conversation
        self.show_setup()
        self._show_assistant()

    # The assistant ----------------------------------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant | None:
        """What the conversation was begun with, as it is now; None without one, and for one that is gone."""
        name = self.known.assistant_id if self.known is not None else self._new_assistant
        return self._ui.services.assistants.get(name) if name else None

    def assist(self, assistant_id: str) -> None:
        """Have the conversation go on with an assistant, "" for none."""
        service = self._ui.services.assistants
        entry = service.get(assistant_id) if assistant_id else None
        begun = service.begin(assistant_id) if entry is not None else Begun()
        if self.known is not None:
            usual = self._ui.services.preferences.settings.chat.system_prompt.strip()
            begun = structs.replace(begun, system_prompt=begun.system_prompt or usual)
            changed = self._ui.services.history.set_begun(self.known.id, begun)
            name = in_words(entry).name if entry is not None else ""
            sentence = self.tr("This chat goes on with {name}.") if name else self.tr("This chat has no assistant now.")
            self._assisted(changed, texts.fill(sentence, name=name))
            return
        self._new_assistant = begun.assistant_id
        self._new_values = entry.defaults if entry is not None else {}
        default = ThinkingMode(self._ui.services.preferences.settings.chat.thinking)
        self._new_thinking = begun.thinking or default
        self._new_budget, self._new_model = begun.thinking_budget, begun.model
        self._show_assistant()
        self.show_setup()
        self.model_changed.emit()
        self._composer.setFocus()

    def choose_assistant(self, anchor: QWidget) -> None:
        """Open the menu of the assistants below ``anchor``."""
        entry = self.assistant
        self.assistant_menu.fill(self._ui.services.assistants.list(), entry.id if entry is not None else "")
        self.assistant_menu.open_by(anchor, 0, anchor.height() + 4)

    @property
    def begun(self) -> Begun | None:
        """What a new conversation is begun with; None without an assistant."""
        entry = self.assistant
        return self._ui.services.assistants.begin(entry.id, self._values(entry)) if entry is not None else None

    def _values(self, entry: Assistant) -> Values:
        """What was filled in, as far as its fields are still the same."""
        fitting = {field.name: field for field in entry.asked}
        return {
            name: value
            for name, value in self._new_values.items()
            if name in fitting and (fitting[name].kind is FieldKind.TEXT or set(value) <= set(fitting[name].choices))
        }

    def _fill_fields(self, values: Values) -> None:
        entry = self.assistant
        if entry is None:
            return
        if self.known is None:
            self._new_values = values
            return
        prompt = render(entry, values)
        begun = structs.replace(begun_of(self.known), system_prompt=prompt)
        if prompt != self.known.system_prompt:
            self._assisted(self._ui.services.history.set_begun(self.known.id, begun), "")

    def _assisted(self, work: Coroutine[Any, Any, Change], told: str) -> None:
        def done(change: Change) -> None:
            if told:
                undo = partial(self._undo_assistant, change)
                self._ui.notify.undoable(told, undo)

        self._ui.operations.run(work, owner=self, on_done=done)

    def _undo_assistant(self, change: Change) -> None:
        async def undone() -> None:
            await change.undo()

        self._ui.operations.run(undone(), owner=self)

    def _assistants_changed(self, _event: object) -> None:
        if self.known is None and self._new_assistant and self.assistant is None:
            self.assist("")  # it was deleted
        self._show_assistant()

    def _show_assistant(self) -> None:
        service, entry = self._ui.services.assistants, self.assistant
        missing = entry.model if entry is not None and service.model_of(entry) is None else ""
        self._empty.set_assistants(service.list(), entry, missing)
        values: Values | None = self._new_values
        if self.known is not None and entry is not None:
            values = values_of(entry, self.known.system_prompt)
        self._fields.show_fields(entry, values)
        self.changed.emit()

    # The model --------------------------------------------------------------------------------------------------------

    @property
    def model(self) -> ModelRef | None:
        """What answers here, None for the model that is chosen for the app."""
        return self.known.model if self.known is not None else self._new_model

    def set_model(self, model: ModelRef | None) -> None:
        """Let this model answer here, None for the one that is chosen for the app."""
        if self.known is None:
            self._new_model = model
            self.model_changed.emit()
        else:
            self._ui.operations.run(self._ui.services.history.set_model(self.current, model), owner=self)

    @property
    def model_state(self) -> events.ModelState:
        """What answers here, and what it is doing."""
        return self._ui.services.models.state_of(self.model)

    def warm(self) -> None:
        """Have the app's model ready, where that answers: somebody begins to write."""
        if self.model is None:
            entry, now = self.assistant, self.known
            context = now.context if now is not None else entry.context if entry is not None else None
            self._ui.operations.run(self._ui.services.models.warm(context), owner=self)

    # Thinking ---------------------------------------------------------------------------------------------------------

    @property
    def thinking(self) -> ThinkingMode:
        """How the next message is thought about."""
        return ThinkingMode(self._composer.thinking.value) if self.current else self._new_thinking

    @property
    def new_budget(self) -> int | None:
        """How many tokens a thought may have in the conversation that a new chat becomes, None as the settings say."""
        return None if self.current else self._new_budget

    def cycle_thinking(self) -> None:
        """Switch Auto, Think, Direct, where the model can."""
        if self._composer.thinking.isVisible():
            self._composer.thinking.cycle()

    def show_thinking(self, _end: object = None) -> None:
        """Show what is chosen, as far as the model can."""
        self._show_budget()
        if self._ui.operations.pending(self._thinking_wish):
            return  # the switch says already what is being stored
        info = self.model_state.info
        mode = self.known.thinking if self.known is not None else self._new_thinking
        self._composer.set_thinking(info.capabilities if info is not None else Capabilities(), mode)
        ref = self.model or self._ui.services.models.ref
        path = ref.path if isinstance(ref, FileRef) else ""
        self._panel.show_defaults(self._ui.services.preferences.settings, info, mode, path)

    def _show_budget(self, _end: object = None) -> None:
        if not self._ui.operations.pending(self._budget_wish):
            own = self.known.thinking_budget if self.known is not None else self._new_budget
            self._composer.thinking.budget.set_budget(own, self._ui.services.preferences.settings.chat.thinking_budget)

    def _thinking_chosen(self, value: str) -> None:
        mode = ThinkingMode(value)
        if self.current:
            stored, show = self._ui.services.history.set_thinking(self.current, mode), self.show_thinking
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._thinking_wish)
        else:
            self._new_thinking = mode

    def _budget_chosen(self, tokens: int | None) -> None:
        if self.current:
            stored, show = self._ui.services.history.set_thinking_budget(self.current, tokens), self._show_budget
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._budget_wish)
        else:
            self._new_budget = tokens

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        if not self.current:
            self._new_thinking = ThinkingMode(event.after.chat.thinking)
        self.show_thinking()

    # Instructions and values ------------------------------------------------------------------------------------------

    @property
    def _setup(self) -> Setup:
        """How it is answered, or will be."""
        found = self.conversation
        if found is not None:
            return Setup(found.system_prompt, found.sampling, found.context, found.adapters)
        return self._ui.services.drafts.setup("").over(self._begun_setup())

    @property
    def new_setup(self) -> Setup | None:
        """What was chosen for a new chat; None for one that is stored."""
        return None if self.current else self._ui.services.drafts.setup("")

    @property
    def system_prompt(self) -> str:
        """The instructions that it has, or will begin with."""
        chosen = self._setup.system_prompt
        return (self._ui.services.preferences.settings.chat.system_prompt if chosen is None else chosen).strip()

    @property
    def context(self) -> int | None:
        """How many tokens the model is to remember here, where that was chosen."""
        return self._setup.context

    @property
    def adapters(self) -> tuple[Adapter, ...]:
        """Those that its next answers are made with, as far as they count."""
        return tuple(adapter for adapter in self._setup.adapters or () if adapter.scale)

    def _begun_setup(self) -> Setup:
        """What the assistant of a new chat says."""
        begun = self.begun or Begun()
        return Setup(begun.system_prompt or None, begun.sampling, begun.context, begun.adapters or None)

    def show_setup(self, _end: object = None) -> None:
        """Show the instructions and values in their panel."""
        if not self._ui.operations.pending(self._setup_wish):
            self._panel.show_setup(self._setup, begun=bool(self.current))

    def _changed(self, before: Setup, setup: Setup, told: str) -> None:
        """Somebody has changed it, which can be undone where it is ``told``."""
        self._set_up(before, setup)
        if told:
            self._ui.notify.undoable(told, partial(self._put, self.current, setup, before))

    def _put(self, where: str, then: Setup, now: Setup) -> None:
        """Have the chat ``where`` answered as ``now`` says, in the place of ``then``."""
        if where == self.current:
            self._set_up(then, now)
            self._panel.show_setup(now, begun=bool(where))
        elif where:
            self._ui.operations.run(self._store_setup(where, then, now), owner=self)

    def _set_up(self, before: Setup, setup: Setup) -> None:
        """Have it answered so from now on; what is as ``before`` is stored already."""
        where = self.current
        if where:
            stored, show = self._store_setup(where, before, setup), self.show_setup
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._setup_wish)
        else:
            # Only what was chosen here: another assistant may be chosen still.
            begun = self._begun_setup()
            if not setup.adapters and not begun.adapters:
                setup = structs.replace(setup, adapters=None)
            self._ui.services.drafts.put_setup("", setup.apart_from(begun))
            self.changed.emit()

    async def _store_setup(self, where: str, before: Setup, after: Setup) -> None:
        history = self._ui.services.history
        if after.system_prompt != before.system_prompt:
            await history.set_system_prompt(where, after.system_prompt or "")
        if after.sampling != before.sampling:
            await history.set_sampling(where, after.sampling)
        if after.context != before.context:
            await history.set_context(where, after.context)
        if after.adapters != before.adapters:
            await history.set_adapters(where, after.adapters or ())

    def _reset_setup(self) -> None:
        """Take all from the settings again, with undo."""
        where, before = self.current, self._setup
        prompt = self._ui.services.preferences.settings.chat.system_prompt.strip()
        wanted = Setup(prompt, adapters=()) if where else Setup()
        if before == wanted:
            return

        self._put(where, before, wanted)
        told = self.tr("Instructions and values are those of Settings.")
        self._ui.notify.undoable(told, partial(self._put, where, wanted, before))
