"""Label values shared by data sets, losses and metrics.

Known classes are ``0 .. C-1``. A pixel of a class that was held out of training must not be
confused with an unlabelled one, so the two have different values.
"""

UNKNOWN_LABEL = 254
IGNORE_LABEL = 255

# For whole images: ground truth of an unknown one, and the label of a rejected one.
UNKNOWN = -1
