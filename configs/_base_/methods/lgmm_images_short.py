# L-GMM on normalised features, for short training from random weights.
_base_ = "./lgmm_images.py"
method = dict(model=dict(head=dict(classifier=dict(normalization="layer"))))
