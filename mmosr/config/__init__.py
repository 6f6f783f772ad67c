"""Reading a config, checking it, and adapting it to the machine.

Once this package is imported, ``_base_ = "mmosr::NAME.py"`` names a config of mmosr wherever
mmengine reads one, and ``mmseg::`` one of whichever distribution of mmseg is installed.
"""

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from mmosr.utils.environment import installed_version
from mmosr.utils.resources import SCHEME, find_config

_find_base = Config._get_cfg_path


def _find_own_base(path: str, file: str) -> tuple[str, str | None]:
    """File and scope of an entry of ``_base_`` in a config file.

    mmengine would require a folder in the name, and look for all types of the base in the scope
    mmosr, whereas our configs have a ``default_scope`` like any other.
    """
    return (str(find_config(path)), None) if path.startswith(SCHEME) else _find_base(path, file)


Config._get_cfg_path = staticmethod(_find_own_base)
for _module, _original in (("mmseg", "mmsegmentation"), ("mmpretrain", "mmpretrain")):
    _renamed = f"onedl-{_original}"
    if installed_version(_original) is None and installed_version(_renamed) is not None:
        MODULE2PACKAGE[_module] = _renamed
