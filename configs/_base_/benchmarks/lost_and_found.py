# Lost and Found, test, 1203 images; objects that are not hazards count as unknown, as in
# SegmentMeIfYouCan. docs/data.md says how to obtain it.
benchmark = dict(
    protocol="lost_and_found",
    dataset=dict(
        type="mmosr.LostAndFoundDataset",
        data_root="data/lost_and_found",
        split="test",
        non_hazards="unknown",
    ),
)
