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
        shared: Options that must be equal in classifier and loss.
    """

    classifier_type: str
    loss_types: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    def configs(
        self,
        classifier: Config | None,
        loss: Config | Sequence[Config] | None,
        owner: str,
        argument: str,
        free_head: str,
    ) -> tuple[dict, Config | Sequence[Config] | None]:
        """The configs of the classifier and of the loss.

        Args:
            classifier: Its options that differ from the defaults.
            loss: As in the user's config; several if the host takes several. Default: the
                method's first, with the ``shared`` options of the classifier.
            owner: Name of the head, for the error.
            argument: Name of its argument for the loss.
            free_head: The head that takes any loss.

        Returns:
            The two; the loss is None if it is the host's and none is given.

        Raises:
            InputError: The loss belongs to another method and would train without a warning.
        """
        classifier = {"type": self.classifier_type, **(classifier or {})}
        if self.loss_types and not loss:
            shared = {key: classifier[key] for key in self.shared if key in classifier}
            loss = {"type": self.loss_types[0], **shared}
        for part in _listed(loss) if self.loss_types else ():
            if part.get("type") not in self.loss_types:
                raise InputError(
                    f"{owner} trains with {' or '.join(self.loss_types)}, but its "
                    f"{argument} is {part.get('type')}; write {argument}=dict(_delete_=True, "
                    f"type='{self.loss_types[0]}'), or use {free_head} to combine freely"
                )
        return classifier, loss

    def check_agreement(
        self, classifier: nn.Module, loss: nn.Module, owner: str, argument: str
    ) -> None:
        """Refuse built parts that differ in an option of ``shared``; arguments as above.

        Raises:
            InputError: Names the two values.
        """
        for part in loss if isinstance(loss, nn.ModuleList) else [loss]:
            for key in self.shared:
                given, needed = getattr(part, key), getattr(classifier, key)
                if given != needed:
                    raise InputError(
                        f"{owner}: {argument}.{key} is {given} and classifier.{key} "
                        f"{needed}: give both the same value"
                    )


def _listed(loss: Config | Sequence[Config]) -> Sequence[Config]:
    return [loss] if isinstance(loss, Mapping) else loss


LGMM = MethodParts("mmosr.GaussianMixtureClassifier")
CAC = MethodParts("mmosr.AnchorClassifier", ("mmosr.CACLoss", "mmosr.CenterLoss"))
MOVR = MethodParts("mmosr.CosineClassifier", ("mmosr.MOvRLoss",), shared=("scale",))
RPL = MethodParts("mmosr.ReciprocalPointClassifier")
CPN = MethodParts("mmosr.PrototypeClassifier")
