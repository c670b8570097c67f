"""One loaded model with its contexts: begins answers, counts, and uses its idle time. Worker side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

import msgspec

from qwen_desktop.core.engine import (
    ChatMessage,
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    ModelInfo,
    ThinkingMode,
)
from qwen_desktop.core.parts import Part, Role, TextPart, thinking_text, visible_text
from qwen_desktop.core.tuning import ROWS
from qwen_desktop.engine import going_on, prompt, recipes, sampling_defaults
from qwen_desktop.engine.drafting.draft_model import DraftModel
from qwen_desktop.engine.drafting.policy import Costs
from qwen_desktop.engine.generation import Generation
from qwen_desktop.engine.grammar import Grammars
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import AbortedError, Context, DecodeError, Sequence
from qwen_desktop.engine.marks import CLOSE, OPEN
from qwen_desktop.engine.pace import Pace
from qwen_desktop.engine.prompt_cache.cache import PromptCache
from qwen_desktop.engine.sequences import Sequences
from qwen_desktop.engine.templates import Template
from qwen_desktop.hardware.memory import Resident

log = logging.getLogger(__name__)

#: So many tokens tell how fast prompts are read.
_KNOWN = 64


class Session:
    """A model that can answer (``load.load`` makes it). ``pace`` is set when the engine chooses the threads itself;
    ``base`` is what the process held before the model. ``streams``, ``cells`` and ``border`` are for ``Sequences``, and
    ``batch_width`` is how many answers of a batch are written at once. Conversations are ``kept`` on the disk."""

    def __init__(
        self,
        model: Model,
        context: Context,
        template: Template,
        info: ModelInfo,
        pace: Pace | None,
        *,
        base: Resident,
        streams: Callable[[], int] = lambda: 1,
        cells: Callable[[int], int] = lambda _sequences: 0,
        border: int = 0,
        batch_width: int = ROWS[-1],
        kept: PromptCache | None = None,
    ) -> None:
        self.model = model
        self.sequences = Sequences(context, streams, cells, border=border, kept=kept)
        self.kept = kept
        self.info = info
        self.pace = pace
        self._renderer = prompt.Renderer(
            template,
            lambda text, special, begin: model.tokenize(text, special=special, begin=begin),
            model.control_words(),
            model.bos,
        )
        self._grammars = Grammars(model)
        self._marks = (model.single_token(OPEN), model.single_token(CLOSE))
        # what was guessed wrongly is taken back again
        goes_back = not (model.recurrent or model.sliding)
        self.costs = Costs(on_card=model.gpu_layers > 0) if context.shape.outputs > 1 and goes_back else None
        #: what guesses where an answer's own text does not tell, None for nothing
        self.draft_model: DraftModel | None = None
        self.batch_cells = cells
        self.batch_width = batch_width
        self._ahead: dict[Sequence, Callable[[], None]] = {}
        self._writings = going_on.Writings()
        self._base = base
        self._load_s, self._held = (info.local.load_s, info.local.resident_bytes) if info.local else (0.0, 0)
        self._filled = self._most = 0
        #: contexts of batches, whose memory is none of what the model takes
        self.beside = 0

    @property
    def context(self) -> Context:
        """The conversations' context."""
        return self.sequences.context

    def release(self) -> Model:
        """End the session: free the context and hand its model on. Nobody may be counting with it."""
        self.keep(lambda: False)
        self.sequences.close()
        self.drop_draft_model()
        return self.model

    def guesses_with(self, draft_model: DraftModel) -> None:
        """Use that for what comes from now on."""
        self.draft_model = draft_model
        self.beside += 1  # its memory is none of what the model takes

    def drop_draft_model(self, *, kept: bool = False) -> Model | None:
        """Go on without it; returns its weights where they are to be ``kept``."""
        dropped, self.draft_model = self.draft_model, None
        if dropped is None:
            return None
        self.beside -= 1
        model = dropped.release()
        if kept:
            return model
        model.close()
        return None

    def count(self, request: GenerateRequest) -> int:
        """Tokens of the prompt, rendered whole. Safe on another thread while an answer runs. Raises ``UserFacing``."""
        messages, parts = request.messages, tuple[Part, ...]()
        if request.go_on:
            messages, parts = messages[:-1], messages[-1].parts
        return len(self._renderer.prompt(messages, self._mode(request.thinking), parts).tokens)

    def count_texts(self, texts: tuple[str, ...]) -> tuple[int, ...]:
        """Tokens of each text as it stands in a message. Safe on another thread while an answer runs."""
        return tuple(self._renderer.count(text) for text in texts)

    # An answer -------------------------------------------------------------------------------------------------------

    def generation(
        self, request: GenerateRequest, emit: Callable[[tuple[Event, ...]], None], began: float, size: int | None = None
    ) -> Generation:
        """An answer to be made, with the prompt that fits ``size`` tokens (the context's). Raises ``UserFacing``."""
        request = recipes.as_then(request)
        size = size or self.context.size
        mode = self._mode(request.thinking)
        made = prompt.build(
            self._renderer,
            request.messages,
            mode,
            context=size,
            max_tokens=request.max_tokens,
            cut_from=request.cut_from,
            go_on=request.go_on,
        )
        written = self._writings.find(request.cache_key, made.asked, made.parts) if made.parts else None
        if written is not None and request.grammar is None:
            made = made.written(written)
        if self.model.recurrent:
            made = msgspec.structs.replace(made, stops=self._renderer.stops(made, mode))
        thinks = self._will_think(mode, made)
        constraint = None
        if request.grammar is not None:  # what is wrong with it is said before anything is read
            constraint = self._grammars.constraint(
                request.grammar, self._marks[0] if thinks and not made.parts else None
            )
        if made.cut is not None:
            emit((made.cut,))
        use = self.model.adapters.use(request.adapters)
        try:
            return Generation(
                self.model,
                made,
                request,
                sampling_defaults.decide(self.model.header, request.sampling, thinking=thinks),
                size=size,
                marks=self._marks,
                emit=emit,
                began=began,
                constraint=constraint,
                use=use,
                costs=self.costs if not request.batch else None,
                draft_model=self.draft_model if not request.batch else None,
            )
        except BaseException:
            use.release()
            raise

    def place(self, generation: Generation, others: Collection[Generation]) -> bool:
        """Give the answer a sequence that none of ``others`` has; False when they have all."""
        if not self.sequences.place(generation, others):
            return False
        if generation.sequence is not None:
            self._ahead.pop(generation.sequence, None)
        return True

    def move(self, generation: Generation, others: Collection[Generation]) -> bool:
        """Before a step: see that the answer is where it is computed best; False when it must wait to be placed."""
        before = generation.sequence
        if not self.sequences.move(generation, others):
            return False
        if generation.sequence is not before and generation.sequence is not None:
            self._ahead.pop(generation.sequence, None)
        return True

    def finish(self, generation: Generation) -> GenerateResult:
        """How an answer ended, with what only the session knows."""
        result = generation.result()
        sequence = generation.sequence
        if sequence is not None and sequence in self.sequences:
            self._filled = max(self._filled, result.stats.context_used)
        if not self.beside:
            self._held, self._most = max(self._held, self.model.resident_bytes(self._base)), self._filled
        stats = msgspec.structs.replace(
            result.stats,
            load_s=self._load_s,
            resident_bytes=self._held,
            context_most=self._most,
            streams=len(self.context.sequences),
        )
        if self.kept is not None and result.stats.evaluated_tokens >= _KNOWN:
            self.kept.speed = result.stats.prompt_tokens_per_s
        recipe = recipes.of(generation, self.info, result)
        again = generation.request.again
        differs = recipes.differences(again, recipe) if again is not None else ()
        if not generation.request.batch:
            self._writings.keep(generation.request.cache_key, generation.written)
        goes_on = result.finish_reason is FinishReason.LENGTH and bool(thinking_text(generation.parts))
        if sequence is not None and sequence in self.sequences and sequence.tokens and not goes_on:
            mode = self._mode(generation.request.thinking)
            self._ahead[sequence] = lambda: self._prepare(sequence, generation, mode)
        return msgspec.structs.replace(result, stats=stats, recipe=recipe, differs=differs)

    def _mode(self, asked: ThinkingMode) -> ThinkingMode:
        return asked if asked in self.info.capabilities.thinking else ThinkingMode.AUTO

    def _will_think(self, mode: ThinkingMode, made: prompt.Prompt) -> bool:
        """Whether the answer is expected to begin with thinking, for the choice of sampling values."""
        if mode is ThinkingMode.DIRECT or not self.info.capabilities.thinking:
            return False
        if mode is ThinkingMode.THINK or made.thinking:
            return True
        close = self._marks[1]
        return close is None or close not in made.question[-4:]  # a closed, empty block: the template said no

    # Idle time -------------------------------------------------------------------------------------------------------

    def idle(self) -> None:
        """After answers: evaluate the conversations as their next prompts will render them, where that differs. An
        answer that was too long most likely goes on, thought and all.

        Templates drop the thinking of earlier turns, so the remembered tokens stop matching at the last answer.
        Returns early when the context's flag is set.
        """
        while self._ahead:
            _, work = self._ahead.popitem()
            try:
                work()
            except AbortedError:
                return
            except DecodeError:
                pass
            except Exception as error:  # work ahead must never harm: the next request does it again, properly
                log.info("idle.failed %s", type(error).__name__)

    def keep(self, stop: Callable[[], bool]) -> bool:
        """Have the conversations written that are not; returns whether all are, or need not be. Ends early when
        ``stop`` says so."""
        kept = self.kept
        if kept is None:
            return True
        done = True
        for sequence in sorted(self.sequences, key=lambda each: -each.used):
            if kept.unsaved(sequence):
                if stop():
                    return False
                done = kept.save(sequence) and done
        return done

    def forget(self, keys: tuple[str, ...]) -> None:
        """Forget these conversations in memory; ``("*",)`` for all. An answer that is being made reads again what it
        still needs (see ``Scheduler.forget``)."""
        every = "*" in keys
        for sequence in self.sequences:
            if every or sequence.key in keys:
                self._ahead.pop(sequence, None)
                sequence.forget()
                sequence.key, sequence.keep = "", False
        if self.draft_model is not None:  # it does not know whose words it has read
            self.draft_model.context.sequences[0].forget()
        self._writings.forget(keys)

    def _prepare(self, sequence: Sequence, generation: Generation, mode: ThinkingMode) -> None:
        messages, parts = generation.prompt.messages, generation.parts
        if not visible_text(parts):
            return
        answer = ChatMessage(Role.ASSISTANT, parts)
        first, second = (
            self._renderer.text((*messages, answer, ChatMessage(Role.USER, (TextPart(word),))), mode, answer=False)
            for word in ("1 a", "2 b")
        )
        common = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
        tokens = self._renderer.tokens(first[:common])[:-1]
        if not tokens or len(tokens) > sequence.size - 8:
            return
        key = generation.adapters
        if generation.activated:  # the next prompt's may come later, and all before it is read without
            question = ChatMessage(Role.USER, (TextPart("1 a"),))
            key = generation.adapters_of(
                self._renderer.tokens(self._renderer.text((*messages, answer, question), mode))
            )
        if sequence.common(tokens, key) != min(len(tokens), len(sequence.tokens)):
            sequence.reuse(tokens, key)
            sequence.context.read(sequence, tokens)
        # else nothing was dropped: the next prompt goes on from here by itself
        sequence.context.checkpoint(sequence)
