"""POSLog 6 documents written by hand: the parser reads them, the simulated till writes the same."""

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from xml.etree.ElementTree import canonicalize
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing import poslog_xml
from edge.sensing.poslog import (
    LINES_MAX,
    GoodsLine,
    StockDocument,
    StockTransaction,
    TillTransaction,
    parse_poslog,
)
from edge.sensing.poslog_xml import NAMESPACE, Goods, PoslogRejected
from protocol.ids import Gtin
from simulators.devices.till import Till, TillItem

GOLDEN = Path(__file__).parents[1] / "golden"
UNITS = Gtin("00614141999996")
GRAMS = Gtin("09506000134352")
AT_MS = 1_773_500_000_123

SALE_LINES = (
    GoodsLine(1, "sale", Goods(UNITS, 2, "units")),
    GoodsLine(2, "sale", Goods(GRAMS, 452, "grams")),
)


def golden(name: str) -> list[StockTransaction]:
    return parse_poslog((GOLDEN / f"poslog_{name}.xml").read_bytes(), UTC)


def document(*transactions: str) -> bytes:
    return f'<POSLog xmlns="{NAMESPACE}">{"".join(transactions)}</POSLog>'.encode()


def transaction(content: str, attributes: str = "", end: str = "2026-03-14T14:53:20Z") -> str:
    return (
        f"<Transaction {attributes}><WorkstationID>3</WorkstationID>"
        f"<SequenceNumber>7</SequenceNumber>{content}"
        f"<BusinessDayDate>2026-03-14</BusinessDayDate><EndDateTime>{end}</EndDateTime>"
        "</Transaction>"
    )


def sale(
    item: str = "614141999996", quantity: str = "<Quantity>1</Quantity>", line: int = 1
) -> str:
    identity = f"<POSIdentity><POSItemID>{item}</POSItemID></POSIdentity>"
    return (
        f"<LineItem><Sale>{identity}{quantity}</Sale>"
        f"<SequenceNumber>{line}</SequenceNumber></LineItem>"
    )


def retail(content: str, attributes: str = "") -> str:
    return f"<RetailTransaction {attributes}>{content}</RetailTransaction>"


def rejected(data: bytes) -> str:
    with pytest.raises(PoslogRejected) as caught:
        parse_poslog(data, UTC)
    return str(caught.value)


def test_a_sale_is_read_without_its_fees_taxes_and_tenders() -> None:
    assert golden("sale") == [TillTransaction("3/2026-03-14/1", AT_MS, SALE_LINES, None)]


def test_a_return_is_a_transaction_of_its_own() -> None:
    lines = (GoodsLine(1, "return", Goods(UNITS, 1, "units")),)
    assert golden("return") == [TillTransaction("3/2026-03-14/2", AT_MS + 1, lines, None)]


def test_a_post_void_names_what_it_undoes_and_repeats_its_lines() -> None:
    expected = TillTransaction("3/2026-03-14/3", AT_MS + 2, SALE_LINES, "3/2026-03-14/1")
    assert golden("post_void") == [expected]


def test_a_count_tells_zero_as_well() -> None:
    counted = (Goods(UNITS, 7, "units"), Goods(GRAMS, 0, "grams"))
    expected = StockDocument("3/2026-03-14/4", AT_MS + 3, "count", "4", counted)
    assert golden("count") == [expected]


def test_a_receipt_tells_its_delivery_note() -> None:
    received = (Goods(UNITS, 24, "units"), Goods(GRAMS, 12_500, "grams"))
    expected = StockDocument("3/2026-03-14/5", AT_MS + 4, "receipt", "DN-7", received)
    assert golden("receipt") == [expected]


def test_another_vendors_document_reads_the_same() -> None:
    lines = (
        GoodsLine(10, "sale", Goods(GRAMS, 1134, "grams")),
        GoodsLine(40, "sale", Goods(UNITS, 3, "units")),
    )
    at_ms = int(datetime(2023, 12, 19, 4, 44, 19, tzinfo=UTC).timestamp()) * 1000 + 716
    assert golden("other_till") == [TillTransaction("002/2023-12-19/543", at_ms, lines, None)]


@pytest.fixture
def till(tmp_path: Path) -> Till:
    return Till(spool=tmp_path, workstation="3", business_day=date(2026, 3, 14))


def test_the_simulated_till_writes_the_golden_documents(till: Till, tmp_path: Path) -> None:
    rice = TillItem(GRAMS, 452, "grams")
    keys = [till.sell([TillItem(UNITS, 2), rice], AT_MS)]
    keys.append(till.refund([TillItem(UNITS, 1)], AT_MS + 1, original=keys[0]))
    keys.append(till.void(keys[0], AT_MS + 2))
    keys.append(till.count([TillItem(UNITS, 7), TillItem(GRAMS, 0, "grams")], AT_MS + 3))
    delivery = [TillItem(UNITS, 24), TillItem(GRAMS, 12_500, "grams")]
    keys.append(till.receive(delivery, AT_MS + 4, "DN-7"))

    assert keys == [f"3/2026-03-14/{sequence}" for sequence in range(1, 6)]
    expected = [
        f"poslog_{name}.xml" for name in ("sale", "return", "post_void", "count", "receipt")
    ]
    for written, name in zip(sorted(tmp_path.iterdir()), expected, strict=True):
        assert canonical(written) == canonical(GOLDEN / name), name


def canonical(path: Path) -> str:
    return canonicalize(from_file=str(path), strip_text=True)


@given(seed=st.integers(0, 2**32), quantity=st.integers(1, 99_999))
def test_what_a_till_takes_back_is_not_sold(
    tmp_path_factory: pytest.TempPathFactory, seed: int, quantity: int
) -> None:
    spool = tmp_path_factory.mktemp("spool")
    till = Till(
        spool=spool,
        workstation="3",
        business_day=date(2026, 3, 14),
        taken_back_rate=1.0,
        rng=Random(seed),
    )
    key = till.sell([TillItem(GRAMS, quantity, "grams")], AT_MS)
    (written,) = spool.iterdir()
    line = GoodsLine(1, "sale", Goods(GRAMS, quantity, "grams"))
    assert parse_poslog(written.read_bytes(), UTC) == [TillTransaction(key, AT_MS, (line,), None)]


def test_a_till_voids_a_transaction_once(till: Till) -> None:
    sold = till.sell([TillItem(UNITS, 1)], AT_MS)
    till.void(sold, AT_MS)
    with pytest.raises(KeyError):
        till.void(sold, AT_MS)


def test_a_tills_clock_may_have_any_offset(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=-7))
    till = Till(spool=tmp_path, workstation="3", business_day=date(2026, 3, 14), zone=zone)
    till.sell([TillItem(UNITS, 1)], AT_MS)
    (written,) = tmp_path.iterdir()
    assert b"T07:53:20.123-07:00" in written.read_bytes()
    assert parse_poslog(written.read_bytes(), UTC)[0].occurred_at_ms == AT_MS


@pytest.mark.parametrize(
    "content",
    [
        transaction(retail(sale()), 'TrainingModeFlag="true"'),
        transaction(retail(sale()), 'CancelFlag="1"'),
        transaction(retail(sale()), 'SuspendFlag="true"'),
        transaction(retail(sale(), 'TransactionStatus="Suspended"')),
        transaction(retail(sale(), 'TransactionStatus="Voided"')),
        transaction(retail(sale(), 'TypeCode="DispatchDocket"')),
        transaction(retail(sale(), 'CancelFlag="true"')),
        transaction("<ControlTransaction><NoSale/></ControlTransaction>"),
        "<Transaction/>",
        "",
    ],
)
def test_what_moves_no_goods_counts_for_nothing(content: str) -> None:
    assert parse_poslog(document(content), UTC) == []


@pytest.mark.parametrize(
    "planned",
    [
        '<InventoryCount><ItemCount><ItemID Type="GTIN">1</ItemID></ItemCount></InventoryCount>',
        '<InventoryCount CountStatus="InProgress"/>',
        '<ReceiveInventory DocumentStatus="Pending"/>',
    ],
)
def test_a_planned_count_or_receipt_tells_nothing(planned: str) -> None:
    control = f"<InventoryControlTransaction>{planned}</InventoryControlTransaction>"
    assert parse_poslog(document(transaction(control)), UTC) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (sale("123"), "transaction 3/2026-03-14/7: line 1: '123' is not a valid GTIN"),
        (sale("614141999997"), "its check digit should be 6"),
        (sale(quantity=""), "Sale has no Quantity"),
        (sale(quantity="<Quantity>0</Quantity>"), "at least 1 is expected"),
        (sale(quantity="<Quantity>-1</Quantity>"), "not from 0 to"),
        (sale(quantity="<Quantity>1.5</Quantity>"), "no whole number of units"),
        (sale(quantity="<Quantity>NaN</Quantity>"), "no decimal number"),
        (sale(quantity="<Quantity>1E9</Quantity>"), "no decimal number"),
        (sale(quantity="<Quantity>1_0</Quantity>"), "no decimal number"),
        (sale(quantity="<Quantity>٣</Quantity>"), "no decimal number"),  # A digit.
        (sale(quantity="<Quantity>1000000001</Quantity>"), "not from 0 to 1000000000"),
        (sale(quantity='<Quantity UnitOfMeasureCode="MTR">1</Quantity>'), "'MTR' is not known"),
        (sale(line=100_001), "is no number from 0 to 100000"),
        (sale() + sale(), "line 1 comes twice"),
        ("<LineItem><Sale/></LineItem>", "LineItem has no SequenceNumber"),
        ('<LineItem VoidFlag="yes"/>', "neither true nor false"),
        (
            sale()
            + "<LineItem><Voids><Quantity>2</Quantity><ItemLink>1</ItemLink></Voids></LineItem>",
            "cannot be taken back",
        ),
    ],
)
def test_a_line_that_cannot_be_counted_refuses_its_document(content: str, reason: str) -> None:
    assert reason in rejected(document(transaction(retail(content))))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            retail(sale(), 'TransactionStatus="Delivered"'),
            "with status 'Delivered' is not understood",
        ),
        (retail(sale(), 'TransactionStatus="PostVoided"'), "needs a TransactionLink"),
        (
            retail(
                '<TransactionLink ReasonCode="Voided"><WorkstationID>3</WorkstationID>'
                "<BusinessDayDate>2026-03-14</BusinessDayDate><SequenceNumber>1</SequenceNumber>"
                "</TransactionLink>",
                'TransactionStatus="PostVoided"',
            ),
            "it voids 3/2026-03-14/1 without its lines",
        ),
        (
            "<InventoryControlTransaction><InventoryLoss/></InventoryControlTransaction>",
            "InventoryLoss moves stock, but is not understood",
        ),
        (
            "<InventoryControlTransaction><InventoryCount CountStatus='CompletedAndEntered'>"
            + "<ItemCount><ItemID>614141999996</ItemID><Quantity>1</Quantity></ItemCount>" * 2
            + "</InventoryCount></InventoryControlTransaction>",
            "it counts 00614141999996 twice",
        ),
    ],
)
def test_a_transaction_that_is_not_understood_is_refused(content: str, reason: str) -> None:
    assert reason in rejected(document(transaction(content)))


def test_a_business_key_cannot_come_twice_in_one_transaction() -> None:
    twice = transaction(retail(sale()) + retail(sale()))
    assert "3/2026-03-14/7: line 1 comes twice" in rejected(document(twice))


def test_one_bad_transaction_refuses_the_whole_document() -> None:
    good = transaction(retail(sale()))
    bad = transaction(retail(sale("123")))
    assert "not a valid GTIN" in rejected(document(good, bad))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"\x00\xff" * 50, "not well-formed"),
        (b"<POSLog", "not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed"),
        (b"<POSLog/>", "the root is 'POSLog'; expected POSLog in http://www.nrf-arts.org"),
        (b'<Other xmlns="http://www.nrf-arts.org/IXRetail/namespace/"/>', "the root is"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DTD"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DTD"),
        (b"<a>" * (poslog_xml.DEPTH_MAX + 1), "nested deeper"),
        (b"<a>" + b"<b/>" * poslog_xml.ELEMENTS_MAX, "elements"),
        (b"<a " + b"b" * 3 * poslog_xml.STRIDE_BYTES, "without markup"),
    ],
)
def test_hostile_xml_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    assert reason in rejected(data)


def test_an_entity_bomb_is_refused_before_it_expands() -> None:
    entities = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(10))
    bomb = f'<!DOCTYPE POSLog [<!ENTITY e0 "lol">{entities}]><POSLog>&e10;</POSLog>'
    assert "DTD" in rejected(bomb.encode())


def test_a_document_with_too_many_lines_is_refused() -> None:
    items = "<ItemCount><ItemID>{}</ItemID><Quantity>1</Quantity></ItemCount>"
    lines = "".join(items.format(_gtin14(number)) for number in range(LINES_MAX + 1))
    control = (
        f"<InventoryControlTransaction><InventoryCount CountStatus='CompletedAndEntered'>{lines}"
        "</InventoryCount></InventoryControlTransaction>"
    )
    assert "more than 10000 lines" in rejected(document(transaction(control)))


def _gtin14(number: int) -> str:
    digits = f"{number:013d}"
    weighted = sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


@pytest.mark.parametrize(
    ("written", "zone", "expected"),
    [
        ("2026-03-14T14:53:20", UTC, datetime(2026, 3, 14, 14, 53, 20, tzinfo=UTC)),
        (
            "2026-07-01T12:00:00",
            ZoneInfo("Europe/Berlin"),
            datetime(2026, 7, 1, 10, 0, tzinfo=UTC),
        ),
        (
            "2026-07-01T12:00:00+00:00",
            ZoneInfo("Europe/Berlin"),
            datetime(2026, 7, 1, 12, 0, tzinfo=UTC),
        ),
        (
            "2026-10-25T02:30:00",  # Berlin has this time twice; the first passage is meant.
            ZoneInfo("Europe/Berlin"),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        ),
    ],
)
def test_a_time_without_offset_is_the_stores(
    written: str, zone: ZoneInfo, expected: datetime
) -> None:
    (found,) = parse_poslog(document(transaction(retail(sale()), end=written)), zone)
    assert found.occurred_at_ms == expected.timestamp() * 1000


@pytest.mark.parametrize(
    "written",
    ["yesterday", "2026-03-14", "2026-13-14T00:00:00Z", "1969-12-31T23:59:59Z", "20260314T000000"],
)
def test_a_time_that_is_none_refuses_its_document(written: str) -> None:
    assert "3/2026-03-14/7" in rejected(document(transaction(retail(sale()), end=written)))


@given(milligrams=st.integers(500, 10**12))
def test_a_weight_is_exact_to_the_gram(milligrams: int) -> None:
    kilograms = f"{milligrams // 10**6}.{milligrams % 10**6:06d}"
    quantity = f'<Quantity UnitOfMeasureCode="KGM">{kilograms}</Quantity>'
    grams, rest = divmod(milligrams, 1000)
    grams += rest > 500 or (rest == 500 and grams % 2 == 1)
    if grams == 0:
        return
    (found,) = parse_poslog(document(transaction(retail(sale(quantity=quantity)))), UTC)
    assert isinstance(found, TillTransaction)
    assert found.lines[0].goods == Goods(UNITS, grams, "grams")


@given(data=st.binary(max_size=2000))
def test_random_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    rejected(data)


@given(at=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 40))
def test_a_mutated_document_is_read_or_refused(at: int, byte: int, cut: int) -> None:
    data = bytearray((GOLDEN / "poslog_other_till.xml").read_bytes())
    at %= len(data)
    data[at : at + cut] = bytes([byte])
    with contextlib.suppress(PoslogRejected):
        parse_poslog(bytes(data), UTC)
