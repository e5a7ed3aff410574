"""Classes of scikit-learn that no sums can fit, and what to name in their place.

Owns the list and its sentences. Knows nothing of studies. Internal. They compare rows with rows, or keep rows as their
model: no file that may leave a silo holds either.
"""

from __future__ import annotations

_DISTANCES = "compares every row with every other, and rows never leave a silo"
_KEEPS = "keeps rows as its model, and rows never leave a silo"

# What each does that sums cannot, and what comes nearest; the second names classes that fedcli fits.
_KERNEL = "RidgeClassifier or Ridge with model: map: {type: RBFSampler}, random features of the Gaussian kernel"
_NEIGHBOURS = "RidgeClassifier or Ridge with model: map: {type: RBFSampler}, a surface that bends, in one trip"
_GROUPS = "PCA to look at the columns together; groups that are known are a target of type category"
_DRAWING = "PCA, whose first two components can be drawn at each silo"
_ROBUST = "a range with outside: clip for the columns, then LinearRegression"

_ALL: tuple[tuple[str, str, str], ...] = (
    (
        "KNeighborsClassifier KNeighborsRegressor RadiusNeighborsClassifier RadiusNeighborsRegressor",
        _KEEPS,
        _NEIGHBOURS,
    ),
    ("NearestNeighbors LocalOutlierFactor", _KEEPS, _NEIGHBOURS),
    ("SVC NuSVC SVR NuSVR OneClassSVM KernelRidge KernelPCA", _KEEPS, _KERNEL),
    ("GaussianProcessClassifier GaussianProcessRegressor", _KEEPS, _KERNEL),
    ("DBSCAN HDBSCAN OPTICS MeanShift AffinityPropagation", _DISTANCES, _GROUPS),
    ("AgglomerativeClustering SpectralClustering FeatureAgglomeration", _DISTANCES, _GROUPS),
    ("TSNE MDS Isomap LocallyLinearEmbedding SpectralEmbedding", _DISTANCES, _DRAWING),
    ("LabelPropagation LabelSpreading", _DISTANCES, _NEIGHBOURS),
    ("MinCovDet EllipticEnvelope", _KEEPS, "EmpiricalCovariance, on columns with outside: clip"),
    ("TheilSenRegressor RANSACRegressor", _KEEPS, _ROBUST),
)
NOT_FEDERABLE = {name: (why, instead) for names, why, instead in _ALL for name in names.split()}


def why_not(name: str) -> tuple[str, str] | None:
    """Return why a class can be fitted by no sums, and what comes nearest; None for any other name.

    Examples
    --------
    >>> why_not("TSNE")[0]
    'compares every row with every other, and rows never leave a silo'
    """
    return NOT_FEDERABLE.get(name)
