# The scores of a plain softmax model: model = dict(score=_base_.pop("post_hoc"), ...).
post_hoc = ["msp", "max_logit", "entropy", "energy"]
