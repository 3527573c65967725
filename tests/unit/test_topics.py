import pytest

from protocol.errors import InvalidTopic
from protocol.ids import StoreId
from protocol.topics import Topics

STORE = StoreId("S001")


def test_a_topic_splits_into_the_store_and_channel_it_was_built_from() -> None:
    topics = Topics("chain/eu/1")
    parsed = topics.parse(topics.facts(STORE))
    assert parsed == ("S001", "up/facts")


@pytest.mark.parametrize(
    "topic", ["", "st/1", "st/1/S001", "st/1//up/facts", "st/2/S001/up/facts", "st/1/a+b/up/facts"]
)
def test_a_topic_that_is_not_ours_is_refused(topic: str) -> None:
    with pytest.raises(InvalidTopic):
        Topics().parse(topic)


@pytest.mark.parametrize("root", ["", "/st", "st/", "st/+", "#"])
def test_a_root_that_could_catch_other_topics_is_refused(root: str) -> None:
    with pytest.raises(InvalidTopic):
        Topics(root)
