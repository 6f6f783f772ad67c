"""Anomaly maps of a segmentor, whatever its decode head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from mmengine.structures import PixelData
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from mmseg.utils import ConfigType
from torch import Tensor, nn

from mmosr.scored_model import ScoredModel
from mmosr.scores.fitted import Fitted
from mmosr.utils import UNKNOWN_LABEL, InputError

from .fitting import fit_step
from .heads import OpenSetHead
from .hosts import check_cascade, check_class_logits
from .outliers import check_no_outliers, ignore_index_of, set_outliers_apart


class AnomalyMaps(ScoredModel):
    """Adds anomaly maps to a segmentor of mmseg: a mixin for subclasses of its ``EncoderDecoder``.

    A score of the class scores is computed after the host has finished the geometry (sliding
    windows, padding, flip, resize), so it follows it by construction. A score of the features, or
    of the network's input, rides along as one more channel behind the class scores and goes through
    the same geometry.

    Each data sample gets ``pred_anomaly``, a ``PixelData`` with the first score as ``data`` and
    every score under its own name, ``(1, H, W)`` float32, larger = more unknown. ``pred_sem_seg``,
    ``seg_logits`` and the state dict are those of the host.

    Args:
        score: See :class:`~mmosr.scored_model.ScoredModel`. An open-set head offers those of its
            method, every head the post-hoc scores of ``mmosr/scores``.
        reject_threshold: With a threshold, ``pred_open_set`` holds the prediction, with pixels
            whose first score is above it set to 254 (unknown).
        *args, **kwargs: Those of the host.

    Raises:
        InputError: This model does not have such a score or option, or its head has no class
            logits.
    """

    gives_maps = True

    def _init_decode_head(self, decode_head: ConfigType | list[ConfigType]) -> None:
        for part in decode_head if isinstance(decode_head, list) else [decode_head]:
            check_class_logits(part["type"])
        try:
            super()._init_decode_head(decode_head)
        except RuntimeError as error:  # mmseg's, if mmcv has no compiled operators
            raise InputError(f"the decode head cannot be built: {error}") from error
        check_cascade(self.decode_head)

    @property
    def last_head(self) -> nn.Module:
        """The decode head whose output counts: the last one of a cascade."""
        head = self.decode_head
        return head[-1] if isinstance(head, nn.ModuleList) else head

    @property
    def classifier(self) -> nn.Module | None:
        """The open-set classifier; None for a plain head."""
        return self.last_head.classifier if isinstance(self.last_head, OpenSetHead) else None

    @property
    def out_channels(self) -> int:
        """Class scores and riding maps: what sliding windows add up."""
        return self._class_channels + len(self._riding)

    @out_channels.setter
    def out_channels(self, value: int) -> None:
        self._class_channels = value

    @property
    def known_classes(self) -> int:
        return self._class_channels

    @property
    def feature_dims(self) -> int | None:
        """See :class:`~mmosr.scored_model.ScoredModel`; None without ``conv_seg``."""
        if self.classifier is not None:
            return self.classifier.in_channels
        conv = getattr(self.last_head, "conv_seg", None)
        return conv.in_channels if isinstance(conv, nn.Conv2d) else None

    @property
    def _riding(self) -> tuple[str, ...]:
        """The active scores that are not a function of the class scores."""
        return tuple(name for name in self.active_scores if self.score_space(name) != "logits")

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """The host's losses; only the classifier sees label 254.

        Raises:
            InputError: There is label 254, but nothing that learns from it.
        """
        if self.classifier is not None and self.classifier.trains_on_outliers:
            data_samples = set_outliers_apart(data_samples, ignore_index_of(self))
        else:
            check_no_outliers(data_samples)
        return super().loss(inputs, data_samples)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """The host's class scores, and behind them one channel for each riding score."""
        if not self._riding:
            return super().encode_decode(inputs, batch_img_metas)
        layers = any(self.score_space(name) == "layers" for name in self._riding)
        with self.classifier_input() as seen, self.backbone_levels(layers) as levels:
            logits = super().encode_decode(inputs, batch_img_metas)
        maps = [logits]
        for name in self._riding:
            values = self._ride(name, inputs, batch_img_metas, seen, levels)
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
                    values = finished[i][self._riding.index(name)].unsqueeze(0)
                else:
                    values = self.score_function(name)(logits)
                maps[name] = self.map_smoothings[name](values, sample.pred_sem_seg.data)
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
        # At least two channels: the host takes a single one for a binary head and squashes it.
        maps = riding.repeat(1, 2, 1, 1) if riding.shape[1] == 1 else riding
        samples = super().postprocess_result(maps, data_samples)
        return [sample.seg_logits.data[: riding.shape[1]].float() for sample in samples]

    # --- what the scores are functions of -------------------------------------------------------

    @contextmanager
    def classifier_input(self) -> Iterator[list[Tensor]]:
        """Collect the input of the last head's classifier, ``(N, D, h, w)`` at each call."""
        seen: list[Tensor] = []
        head, hook = self.last_head, nullcontext()
        if isinstance(head, OpenSetHead):
            hook = head.host.register_forward_hook(lambda _, inputs, output: seen.append(output))
        elif isinstance(getattr(head, "conv_seg", None), nn.Conv2d):
            hook = head.conv_seg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with hook:
            yield seen

    @contextmanager
    def backbone_levels(self, wanted: bool) -> Iterator[list[tuple[Tensor, ...]]]:
        """Collect the maps ``(N, D_i, h_i, w_i)`` of the levels of the backbone at each call.

        Args:
            wanted: Otherwise nothing is collected, since that keeps the maps in memory.
        """
        seen: list[tuple[Tensor, ...]] = []
        hook = nullcontext()
        if wanted:
            hook = self.backbone.register_forward_hook(
                lambda _, inputs, output: seen.append(_levels(output))
            )
        with hook:
            yield seen

    def all_layers(self, levels: Sequence[Tensor], features: Tensor) -> Tensor:
        """All levels of the backbone at the size of the features, and the features behind them.

        Args:
            levels: Maps ``(N, D_i, h_i, w_i)``.
            features: The input of the classifier, ``(N, D, h, w)``.

        Returns:
            ``(N, sum D_i + D, h, w)``.
        """
        size = features.shape[2:]
        maps = [resize(level, size, None, "bilinear", self.align_corners) for level in levels]
        return torch.cat([*maps, features], 1)

    def feature_map(
        self, space: str, features: Tensor, levels: Sequence[Sequence[Tensor]]
    ) -> Tensor:
        """What a score of this space is a function of, at the resolution of the features.

        Args:
            space: ``features``, ``embedding`` or ``layers``.
            features: The input of the classifier, ``(N, D, h, w)``.
            levels: Maps of the backbone, by call; only the last is used, only for ``layers``.
        """
        if space == "embedding":
            return self.classifier.embed(features)
        return self.all_layers(levels[-1], features) if space == "layers" else features

    @property
    def layer_dims(self) -> int | None:
        """Channels of :meth:`all_layers`, from a pass of the backbone over an empty image."""
        if self.feature_dims is None:
            return None
        training = self.backbone.training
        self.backbone.eval()  # must not change the statistics of its norms
        with torch.no_grad():
            levels = self.backbone(next(self.backbone.parameters()).new_zeros(1, 3, 64, 64))
        self.backbone.train(training)
        return sum(level.shape[1] for level in _levels(levels)) + self.feature_dims

    def _ride(
        self,
        name: str,
        inputs: Tensor,
        metas: list[dict],
        features: list[Tensor],
        levels: list[tuple[Tensor, ...]],
    ) -> Tensor:
        """The map of a riding score at its own resolution, ``(N, h, w)``."""
        space, function = self.score_space(name), self.score_function(name)
        if space == "inputs":
            return function(inputs, self.logits_function(metas))
        if len(features) != 1:
            raise InputError(
                f"score {name} needs the features before the last layer, but decode head "
                f"{type(self.last_head).__name__} computes them {len(features)} times: choose a "
                "score of the logits"
            )
        return function(self.feature_map(space, features[0], levels))

    def logits_function(self, metas: list[dict]) -> Callable[[Tensor], Tensor]:
        """From network inputs to class scores at their size, without riding maps."""
        host = super().encode_decode
        return lambda inputs: host(inputs, metas)

    def fit_step(self, data: dict, parts: Mapping[str, Fitted]) -> None:
        """See :func:`~mmosr.segmentation.fitting.fit_step`."""
        fit_step(self, data, parts)


def _levels(output: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The levels of a backbone, even if it returns a single map."""
    return (output,) if isinstance(output, Tensor) else tuple(output)
