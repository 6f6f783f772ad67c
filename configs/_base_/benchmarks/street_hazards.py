# StreetHazards, test, 1500 images: 13 known classes, anomalies are unknown. docs/data.md says how
# to obtain it.
benchmark = dict(
    protocol="street_hazards",
    dataset=dict(type="mmosr.StreetHazardsDataset", data_root="data/street_hazards", split="test"),
)
