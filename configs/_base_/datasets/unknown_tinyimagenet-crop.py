# TinyImageNet test images, cut at random to 32 x 32: ODIN's archive, whose patches of that size stay
# unchanged, or whole images.
_base_ = "./unknown_lsun-crop.py"
unknown_images = dict(data_root="data/ood/Imagenet")
