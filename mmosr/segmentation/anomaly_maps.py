"""Anomaly maps of a segmentor, whatever its decode head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import ConfigType
from torch import Tensor, nn

from mmosr.registry import SCORES
from mmosr.scores.base import FittedScore, Score, build_score
from mmosr.scores.fitted import Fitted
from mmosr.utils import UNKNOWN_LABEL, InputError

from .heads import OpenSetHead
from .hosts import check_cascade, check_class_logits

ScoreConfig = str | Mapping | Sequence[str | Mapping]


class AnomalyMaps:
    """Adds anomaly maps to a segmentor of mmseg: a mixin for subclasses of its ``EncoderDecoder``.

    A score of the class scores is taken after the host has finished the geometry (sliding windows,
    padding, flip, resize), so it follows it by construction. A score of the features, or of the
    network's input, rides along as one more channel behind the class scores and goes through the
    same geometry.

    Each data sample gets ``pred_anomaly``, a ``PixelData`` with the first score as ``data`` and
    every score under its own name, ``(1, H, W)`` float32, larger = more unknown. ``pred_sem_seg``
    and ``seg_logits`` stay as the host makes them, and so does the state dict.

    Args:
        score: Names of scores, or ``dict(type=NAME, **options)`` with an optional ``name``; one or
            several. An open-set head offers those of its method, every head the post-hoc scores
            of ``mmosr/scores``. Default: the method's first score, or ``msp`` for a plain head.
        reject_threshold: With a threshold, ``pred_open_set`` holds the prediction with each pixel
            whose first score is above it set to 254 (unknown).
        *args, **kwargs: As the host.

    Raises:
        InputError: A score that this model does not have, or a head without class logits.
    """

    def __init__(
        self,
        *args,
        score: ScoreConfig | None = None,
        reject_threshold: float | None = None,
        **kwargs,
    ) -> None:
        self._riding: tuple[str, ...] = ()
        super().__init__(*args, **kwargs)
        self.reject_threshold = reject_threshold
        own = {**self._own("scores"), **self._own("embedding_scores")}
        if score is None:
            score = next(iter(own), "msp")
        configs = [score] if isinstance(score, (str, Mapping)) else list(score)
        self.posthoc_scores = nn.ModuleDict()
        names = []
        for config in configs:
            name = config if isinstance(config, str) else config.get("name", config.get("type"))
            if name not in own:
                self.posthoc_scores[name] = self._build_score(config)
            names.append(name)
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"score must name one or more different scores, got {names}: "
                f"choose from {', '.join(self.available_scores())}"
            )
        self.score_names = tuple(names)
        self._activate(self.score_names)

    def _init_decode_head(self, decode_head: ConfigType | list[ConfigType]) -> None:
        for part in decode_head if isinstance(decode_head, list) else [decode_head]:
            check_class_logits(part["type"])
        try:
            super()._init_decode_head(decode_head)
        except RuntimeError as error:  # mmseg's, where mmcv has no compiled operators
            raise InputError(f"the decode head cannot be built: {error}") from error
        check_cascade(self.decode_head)

    @property
    def last_head(self) -> nn.Module:
        """The decode head whose output counts: the last one of a cascade."""
        head = self.decode_head
        return head[-1] if isinstance(head, nn.ModuleList) else head

    @property
    def classifier(self) -> nn.Module | None:
        """The open-set classifier, None for a plain head."""
        return self.last_head.classifier if isinstance(self.last_head, OpenSetHead) else None

    @property
    def out_channels(self) -> int:
        """Class scores and riding maps: what sliding windows add up."""
        return self._class_channels + len(self._riding)

    @out_channels.setter
    def out_channels(self, value: int) -> None:
        self._class_channels = value

    def available_scores(self) -> list[str]:
        """Names of every score of this model: the method's own first, then the post-hoc ones."""
        SCORES.import_from_location()
        names = [*self._own("scores"), *self._own("embedding_scores"), *SCORES.module_dict]
        return list(dict.fromkeys(names))

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """The host's class scores, and behind them one channel for each riding score."""
        if not self._riding:
            return super().encode_decode(inputs, batch_img_metas)
        with self.classifier_input() as seen:
            logits = super().encode_decode(inputs, batch_img_metas)
        maps = [logits]
        for name in self._riding:
            values = self._ride(name, inputs, batch_img_metas, seen)
            maps.append(
                resize(values.unsqueeze(1), logits.shape[2:], None, "bilinear", self.align_corners)
            )
        return torch.cat(maps, 1)

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        logits, riding = seg_logits.split([self._class_channels, len(self._riding)], 1)
        finished = self._finish(riding, data_samples)
        samples = super().postprocess_result(logits, data_samples)
        for i, sample in enumerate(samples):
            logits = sample.seg_logits.data.float().unsqueeze(0)
            maps = {}
            for name in self.active_scores:
                if name in self._riding:
                    maps[name] = finished[i][self._riding.index(name)].unsqueeze(0)
                else:
                    maps[name] = self._function(name)(logits)
            if maps:
                self._attach(sample, maps)
        return samples

    def _attach(self, sample: SegDataSample, maps: dict[str, Tensor]) -> None:
        first = maps[self.active_scores[0]]
        sample.set_data({"pred_anomaly": PixelData(data=first, **maps)})
        if self.reject_threshold is not None:
            rejected = sample.pred_sem_seg.data.masked_fill(
                first > self.reject_threshold, UNKNOWN_LABEL
            )
            sample.set_data({"pred_open_set": PixelData(data=rejected)})

    def _finish(self, riding: Tensor, data_samples: list[SegDataSample] | None) -> list[Tensor]:
        """Riding maps ``(N, R, H, W)`` through the host's geometry, ``(R, h, w)`` each."""
        if not self._riding:
            return []
        if data_samples is not None:
            data_samples = [SegDataSample(metainfo=sample.metainfo) for sample in data_samples]
        # Two channels at least: the host takes one alone for a binary head and squashes it.
        maps = riding.repeat(1, 2, 1, 1) if riding.shape[1] == 1 else riding
        samples = super().postprocess_result(maps, data_samples)
        return [sample.seg_logits.data[: riding.shape[1]].float() for sample in samples]

    # --- which scores, and how each is computed -------------------------------------------------

    @contextmanager
    def only_scores(self, names: Sequence[str]) -> Iterator[None]:
        """Compute just these of the model's scores for a while, such as those that are fitted."""
        before = self.active_scores
        self._activate(tuple(names))
        try:
            yield
        finally:
            self._activate(before)

    @contextmanager
    def classifier_input(self) -> Iterator[list[Tensor]]:
        """Collect what enters the classifier of the last head, ``(N, D, h, w)`` at each call."""
        seen: list[Tensor] = []
        head = self.last_head
        if isinstance(head, OpenSetHead):
            handle = head.host.register_forward_hook(lambda _, inputs, output: seen.append(output))
        elif isinstance(getattr(head, "conv_seg", None), nn.Conv2d):
            handle = head.conv_seg.register_forward_pre_hook(
                lambda _, inputs: seen.append(inputs[0])
            )
        else:
            yield seen
            return
        try:
            yield seen
        finally:
            handle.remove()

    def _activate(self, names: tuple[str, ...]) -> None:
        self.active_scores = names
        self._riding = tuple(name for name in names if self._space(name) != "logits")

    def _own(self, kind: str) -> dict[str, Callable[[Tensor], Tensor]]:
        return getattr(self.classifier, kind) if self.classifier is not None else {}

    def _space(self, name: str) -> str:
        """Of what the score is a function: logits, embedding, features or inputs."""
        if name in self.posthoc_scores:
            return self.posthoc_scores[name].space
        return "logits" if name in self._own("scores") else "embedding"

    def _function(self, name: str) -> Callable[..., Tensor]:
        if name in self.posthoc_scores:
            return self.posthoc_scores[name]
        return {**self._own("scores"), **self._own("embedding_scores")}[name]

    def _build_score(self, config: str | Mapping) -> Score:
        kind = config if isinstance(config, str) else config.get("type")
        if kind not in self.available_scores():
            raise InputError(
                f"score {kind} is not one of this model's: "
                f"choose from {', '.join(self.available_scores())}"
            )
        if self.classifier is not None:
            dims = self.classifier.in_channels
        else:
            conv = getattr(self.last_head, "conv_seg", None)
            dims = conv.in_channels if isinstance(conv, nn.Conv2d) else None
        return build_score(config, self._class_channels, dims)

    def _ride(self, name: str, inputs: Tensor, metas: list[dict], features: list[Tensor]) -> Tensor:
        """The map of a riding score at its own resolution, ``(N, h, w)``."""
        space, function = self._space(name), self._function(name)
        if space == "inputs":
            return function(inputs, self.logits_function(metas))
        if len(features) != 1:
            raise InputError(
                f"score {name} needs the features before the last layer, and decode head "
                f"{type(self.last_head).__name__} gives them {len(features)} times: choose a "
                "score of the logits"
            )
        if space == "embedding":
            return function(self.classifier.embed(features[0]))
        return function(features[0])

    def logits_function(self, metas: list[dict]) -> Callable[[Tensor], Tensor]:
        """From network inputs to class scores at their size, without riding maps."""
        host = super().encode_decode
        return lambda inputs: host(inputs, metas)

    # --- fitted statistics ----------------------------------------------------------------------

    def fitted_parts(self) -> dict[str, Fitted]:
        """What has statistics to fit, by name: scores, and the classifier where it has some."""
        scores: Mapping = self.posthoc_scores
        parts = {name: part for name, part in scores.items() if isinstance(part, Fitted)}
        if isinstance(self.classifier, Fitted):
            parts["classifier"] = self.classifier
        return parts

    def score_statistics(self) -> dict[str, dict[str, Tensor]]:
        """Statistics of the fitted post-hoc scores, to be saved beside the state dict."""
        parts = {n: p for n, p in self.fitted_parts().items() if isinstance(p, FittedScore)}
        return {name: part.statistics() for name, part in parts.items() if part.fitted}

    def load_score_statistics(self, statistics: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Take over what :meth:`score_statistics` gave, for the scores that this model has."""
        for name, part in self.fitted_parts().items():
            if isinstance(part, FittedScore) and name in statistics:
                part.load_statistics(statistics[name])
