# LSUN test images, resized to 32 x 32: ODIN's archive, whose images stay unchanged, or
# whole images.
_base_ = "./unknown_isun.py"
unknown_images = dict(data_root="data/ood/LSUN_resize")
