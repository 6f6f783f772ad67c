_base_ = ["./movr_wrn16-4_cifar10-6-4.py", "./_base_/schedules/image_100k.py"]
globals().update(_base_.pop("schedule"))
