"""Which classifier and losses make up a method: what its heads for either host share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from mmosr.utils import InputError

Config = Mapping


@dataclass(frozen=True)
class MethodParts:
    """The parts of a method.

    Args:
        classifier_type: The classifier.
        loss_types: Losses that belong to the method; the first is the default. Empty: the host's.
        shared: Options that classifier and loss must have alike.
    """

    classifier_type: str
    loss_types: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def classifier(self, options: Config | None) -> dict:
        """The config of the classifier, from the options that differ from its defaults."""
        return {"type": self.classifier_type, **(options or {})}

    def loss(
        self,
        loss: Config | Sequence[Config] | None,
        classifier: Config | None,
        head: str,
        argument: str,
        free_head: str,
    ) -> Config | Sequence[Config] | None:
        """The config of the loss: the given one if it is of this method, or the default one.

        Args:
            loss: What the user's config gives; several where the host takes several.
            classifier: Options of the classifier; the default loss takes over those in ``shared``.
            head: Name of the head, for the error.
            argument: Name of its argument for the loss.
            free_head: The head that takes any loss.

        Returns:
            None where the loss is the host's and none is given.

        Raises:
            InputError: The loss is of another method, which would train silently.
        """
        if not self.loss_types:
            return loss
        if not loss:
            options = {key: classifier[key] for key in self.shared if key in (classifier or {})}
            return {"type": self.loss_types[0], **options}
        for part in [loss] if isinstance(loss, Mapping) else loss:
            if part.get("type") not in self.loss_types:
                raise InputError(
                    f"{head} trains with {' or '.join(self.loss_types)}, but its "
                    f"{argument} is {part.get('type')}; write {argument}=dict(_delete_=True, "
                    f"type='{self.loss_types[0]}'), or use {free_head} to combine freely"
                )
        return loss

    def check_agreement(
        self, classifier: nn.Module, loss: nn.Module, head: str, argument: str
    ) -> None:
        """Refuse classifier and losses that differ in an option of ``shared``.

        Args:
            classifier: As it was built.
            loss: As it was built, a ``ModuleList`` where there are several.
            head: Name of the head.
            argument: Name of its argument for the loss.

        Raises:
            InputError: Names the two values.
        """
        for part in loss if isinstance(loss, nn.ModuleList) else [loss]:
            for key in self.shared:
                given, needed = getattr(part, key), getattr(classifier, key)
                if given != needed:
                    raise InputError(
                        f"{head}: {argument}.{key} is {given} and classifier.{key} "
                        f"{needed}: give both the same value"
                    )


LGMM = MethodParts("mmosr.GaussianMixtureClassifier")
CAC = MethodParts("mmosr.AnchorClassifier", ("mmosr.CACLoss", "mmosr.CenterLoss"))
MOVR = MethodParts("mmosr.CosineClassifier", ("mmosr.MOvRLoss",), shared=("scale",))
RPL = MethodParts("mmosr.ReciprocalPointClassifier")
CPN = MethodParts("mmosr.PrototypeClassifier")
