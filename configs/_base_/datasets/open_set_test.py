# A test on known and on unknown images, for the files of protocols: their line
# test_dataloader = _base_.pop("open_set_test") replaces the test on known images only.
open_set_test = dict(dataset=dict(_delete_=True, type="mmosr.OpenSetTestData"))
