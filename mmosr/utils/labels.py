"""Label values shared by data sets, losses and metrics.

Known classes are ``0 .. C-1``. A pixel of a class that was held out of training must not be
confused with one that nobody labelled, so the two have values of their own.
"""

UNKNOWN_LABEL = 254
IGNORE_LABEL = 255

# Of whole images: ground truth of an unknown one, and the label that a rejected one gets.
UNKNOWN = -1
