"""Which anomaly scores a model gives, whatever its host."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

from mmengine.registry import MODELS as HOST_MODELS
from torch import Tensor, nn

from .registry import MODELS, SCORES
from .scores.base import FittedScore, Score, build_score
from .scores.entries import ScoreConfig, ScoreEntry, entry_configs
from .scores.fitted import Fitted
from .scores.map_smoothing import MAP_OPTIONS, MapSmoothing
from .utils import InputError


class ScoredModel(ABC):
    """Adds anomaly scores to a host's model: a mixin, before the host's class in the bases.

    It knows the names of the scores, which space each is a function of, and their statistics; the
    subclass computes them. The scores are those of the method, if the model ends in an open-set
    classifier, and the post-hoc ones of ``mmosr/scores``. They add nothing to the state dict.

    Args:
        *args: Those of the host.
        score: Names of scores, or ``dict(type=NAME, **options)`` with an optional ``name``; one or
            several. The method's own scores only have the options of maps, which every score has:
            see :class:`~mmosr.scores.map_smoothing.MapSmoothing`. Several entries may be of one
            type, under different names; each is fitted separately. Default: the method's first
            score, or ``msp`` for a plain head.
        reject_threshold: A prediction whose first score is above it is also given as unknown.
        **kwargs: Those of the host.

    Raises:
        InputError: This model does not have such a score or option.
    """

    # Whether a score is a map, together with predicted classes, or one value per image.
    gives_maps: ClassVar[bool] = False
    # The host's own model that this one can replace: see `set_scores`.
    host_type: ClassVar[type | None] = None
    # Those computed currently; empty while the host is built.
    active_scores: tuple[str, ...] = ()

    def __init__(
        self,
        *args,
        score: ScoreConfig | None = None,
        reject_threshold: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.reject_threshold = reject_threshold
        if score is None:
            score = next(iter(self._own_functions()), "msp")
        entries = [ScoreEntry.of(config) for config in entry_configs(score)]
        names = [entry.name for entry in entries]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"score must name one or more different scores, got {names}: "
                f"choose from {', '.join(self.available_scores())}"
            )
        self.posthoc_scores = nn.ModuleDict()
        # For the other entries: the method's score that each one is.
        self.own_scores: dict[str, str] = {}
        # What the subclass must do to the finished map of each entry.
        self.map_smoothings: dict[str, MapSmoothing] = {}
        for entry in entries:
            self._add_entry(entry)
        self.score_names = tuple(names)
        self.active_scores = self.score_names

    # --- what the host says ---------------------------------------------------------------------

    @property
    @abstractmethod
    def classifier(self) -> nn.Module | None:
        """The open-set classifier; None for a plain head."""

    @property
    @abstractmethod
    def known_classes(self) -> int:
        """Number of class scores C."""

    @property
    @abstractmethod
    def feature_dims(self) -> int | None:
        """Channels D of the input of the last layer; None if that cannot be caught."""

    @property
    def layer_dims(self) -> int | None:
        """Channels of all levels of the backbone and the features together; None without maps."""
        return None

    @abstractmethod
    def fit_step(self, data: dict, parts: Mapping[str, Fitted]) -> None:
        """Show a labelled batch of the data loader to the parts that are being fitted."""

    # --- which scores, and how each is computed -------------------------------------------------

    def available_scores(self) -> list[str]:
        """Names of every score of this model: the method's own first, then the post-hoc ones."""
        SCORES.import_from_location()
        names = [*self._own_functions(), *SCORES.module_dict]
        return list(dict.fromkeys(names))

    @contextmanager
    def only_scores(self, names: Sequence[str]) -> Iterator[None]:
        """Compute just these of the model's scores for a while, such as those that are fitted."""
        before = self.active_scores
        self.active_scores = tuple(names)
        try:
            yield
        finally:
            self.active_scores = before

    def score_space(self, name: str) -> str:
        """Of what the score is a function: logits, embedding, features, layers or inputs."""
        if name in self.posthoc_scores:
            return self.posthoc_scores[name].space
        return "logits" if self.own_scores[name] in self._own("scores") else "embedding"

    def score_function(self, name: str) -> Callable[..., Tensor]:
        """The score as a function of what :meth:`score_space` says, before its map is smoothed."""
        if name in self.posthoc_scores:
            return self.posthoc_scores[name]
        return self._own_functions()[self.own_scores[name]]

    def _add_entry(self, entry: ScoreEntry) -> None:
        defaults: Mapping[str, bool] = {}
        if entry.kind in self._own_functions():
            entry.refuse_options()
            self.own_scores[entry.name] = entry.kind
        else:
            score = self._build_score({"type": entry.kind, **entry.options})
            self.posthoc_scores[entry.name] = score
            defaults = score.map_options
        smoothing = entry.map_smoothing(defaults)
        if smoothing and not self.gives_maps:
            raise InputError(
                f"score '{entry.name}': {' and '.join(MAP_OPTIONS)} need maps, and "
                f"{type(self).__name__} gives one value per image: use a score without them"
            )
        self.map_smoothings[entry.name] = smoothing

    def _own_functions(self) -> dict[str, Callable[[Tensor], Tensor]]:
        return {**self._own("scores"), **self._own("embedding_scores")}

    def _own(self, kind: str) -> dict[str, Callable[[Tensor], Tensor]]:
        return getattr(self.classifier, kind) if self.classifier is not None else {}

    def _build_score(self, config: str | Mapping) -> Score:
        kind = config if isinstance(config, str) else config.get("type")
        if kind not in self.available_scores():
            raise InputError(
                f"score {kind} is not one of this model's: "
                f"choose from {', '.join(self.available_scores())}"
            )
        return build_score(config, self.known_classes, self.feature_dims, lambda: self.layer_dims)

    # --- fitted statistics ----------------------------------------------------------------------

    def fitted_parts(self) -> dict[str, Fitted]:
        """The parts with statistics to fit, by name: scores, and the classifier if it has some."""
        scores: Mapping = self.posthoc_scores
        parts = {name: part for name, part in scores.items() if isinstance(part, Fitted)}
        if isinstance(self.classifier, Fitted):
            parts["classifier"] = self.classifier
        return parts

    def score_statistics(self) -> dict[str, dict[str, Tensor]]:
        """Statistics of the fitted post-hoc scores, to be saved next to the state dict."""
        parts = {n: p for n, p in self.fitted_parts().items() if isinstance(p, FittedScore)}
        return {name: part.statistics() for name, part in parts.items() if part.fitted}

    def load_score_statistics(self, statistics: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore what :meth:`score_statistics` returned, for the scores that this model has."""
        for name, part in self.fitted_parts().items():
            if isinstance(part, FittedScore) and name in statistics:
                part.load_statistics(statistics[name])


def set_scores(model_cfg: dict, score: ScoreConfig) -> None:
    """Choose the anomaly scores in a model's config.

    Args:
        model_cfg: Changed in place; a host's own model becomes the open-set one. Its ``type`` is
            looked up in the default scope.
        score: As in :class:`ScoredModel`. The name of an entry of the config means that entry,
            with its options.

    Raises:
        InputError: Models of this type give no anomaly scores.
    """
    kind = model_cfg["type"]
    MODELS.import_from_location()
    parts = MODELS.module_dict.items()
    # What derives from a model that stands in place of a host, such as a method, does not.
    own = [p for p in parts if isinstance(p[1], type) and issubclass(p[1], ScoredModel)]
    names = {part.host_type: name for name, part in own if "host_type" in vars(part)}
    with HOST_MODELS.switch_scope_and_registry(None) as registry:
        cls = registry.get(kind) if isinstance(kind, str) else kind
    if cls in names:
        model_cfg["type"] = f"mmosr.{names[cls]}"
    elif cls is None or not issubclass(cls, ScoredModel):
        hosts = ", ".join(host.__name__ for host in names)
        raise InputError(
            f"model type '{kind}' gives no anomaly score: use one of {hosts}, or mmosr's of these"
        )
    before = entry_configs(model_cfg.get("score") or ())
    entries = {ScoreEntry.of(config).name: config for config in before}
    chosen = [entries.get(c, c) if isinstance(c, str) else c for c in entry_configs(score)]
    # A single one stays without a list, as earlier runs recorded it.
    model_cfg["score"] = chosen[0] if isinstance(score, (str, Mapping)) else chosen
