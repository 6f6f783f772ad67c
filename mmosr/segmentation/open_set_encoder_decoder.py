"""A segmentor that gives anomaly maps beside its predictions."""

from collections.abc import Callable, Sequence

from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmosr.registry import MODELS, SCORES
from mmosr.utils import UNKNOWN_LABEL, InputError

from .heads import OpenSetHead


@MODELS.register_module()
class OpenSetEncoderDecoder(EncoderDecoder):
    """mmseg's :class:`EncoderDecoder` with anomaly maps, for any decode head.

    The scores are taken from the class scores after the host has finished the geometry (sliding
    windows, padding, flip, resize), so they follow it by construction. Each data sample gets
    ``pred_anomaly``, a ``PixelData`` with the first score as ``data`` and every score under its own
    name, ``(1, H, W)`` float32, larger = more unknown. ``pred_sem_seg`` and ``seg_logits`` stay as
    the host makes them.

    Args:
        score: Name or names of the scores. An open-set head offers those of its method, every head
            the post-hoc scores (``msp``, ``max_logit``, ``entropy``, ``energy``). Default: the
            method's first score, or ``msp`` for a plain head.
        reject_threshold: With a threshold, ``pred_open_set`` holds the prediction with each pixel
            whose first score is above it set to 254 (unknown).
        *args, **kwargs: As :class:`EncoderDecoder`.

    Raises:
        InputError: A score that this model does not have, or a binary head.
    """

    def __init__(
        self,
        *args,
        score: str | Sequence[str] | None = None,
        reject_threshold: float | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        if self.out_channels < 2:
            raise InputError("anomaly scores need one logit a class: set out_channels=num_classes")
        available = self.available_scores()
        if score is None:
            score = next(iter(available))
        self.score_names = (score,) if isinstance(score, str) else tuple(score)
        missing = [name for name in self.score_names if name not in available]
        if missing or not self.score_names:
            raise InputError(
                f"score {', '.join(missing) or '()'} is not one of this model's: "
                f"choose from {', '.join(available)}"
            )
        self.reject_threshold = reject_threshold

    def available_scores(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Every score that this model can give: the method's own first, then the post-hoc ones."""
        SCORES.import_from_location()
        head = self.decode_head
        own = head.classifier.scores if isinstance(head, OpenSetHead) else {}
        return {**own, **SCORES.module_dict}

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        samples = super().postprocess_result(seg_logits, data_samples)
        functions = self.available_scores()
        for sample in samples:
            logits = sample.seg_logits.data.float().unsqueeze(0)
            maps = {name: functions[name](logits) for name in self.score_names}
            first = maps[self.score_names[0]]
            sample.set_data({"pred_anomaly": PixelData(data=first, **maps)})
            if self.reject_threshold is not None:
                rejected = sample.pred_sem_seg.data.masked_fill(
                    first > self.reject_threshold, UNKNOWN_LABEL
                )
                sample.set_data({"pred_open_set": PixelData(data=rejected)})
        return samples


def set_scores(model_cfg: dict, score: str | Sequence[str]) -> None:
    """Choose the anomaly scores in a model's config.

    Args:
        model_cfg: Changed in place; mmseg's ``EncoderDecoder`` becomes an
            :class:`OpenSetEncoderDecoder`.
        score: Name or names.

    Raises:
        InputError: The model is of a type that gives no anomaly scores.
    """
    kind = model_cfg["type"]
    cls = MMSEG_MODELS.get(kind) if isinstance(kind, str) else kind
    if cls is EncoderDecoder:
        model_cfg["type"] = "mmosr.OpenSetEncoderDecoder"
    elif cls is None or not issubclass(cls, OpenSetEncoderDecoder):
        raise InputError(
            f"model type '{kind}' gives no anomaly score: use mmseg's EncoderDecoder or "
            "mmosr.OpenSetEncoderDecoder"
        )
    model_cfg["score"] = score
