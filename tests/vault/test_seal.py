"""The envelope opens where it was sealed and nowhere else, and not at all once a bit of it changed."""

import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import IntegrityError
from valetkey.vault.seal import Place, Sealed, open_sealed, seal

KEKS = {"kek_1": secrets.token_bytes(32), "kek_2": secrets.token_bytes(32)}
PLACE = Place("token", "sto_1", "tok_1", 3, "https://slack.com")
PLAIN = b'{"access": "xoxp-canary"}'

texts = st.text(max_size=8)
places = st.builds(Place, texts, texts, texts, st.integers(0, 10**6), texts)


def accepted(sealed: Sealed, place: Place = PLACE) -> bool:
    try:
        open_sealed(KEKS, place, sealed)
    except IntegrityError:
        return False
    return True


def sealed_now() -> Sealed:
    return seal(KEKS, "kek_1", PLACE, PLAIN, secrets.token_bytes)


@given(places, st.binary(max_size=200))
def test_what_is_sealed_opens_at_its_place(place: Place, plain: bytes) -> None:
    assert open_sealed(KEKS, place, seal(KEKS, "kek_1", place, plain, secrets.token_bytes)) == plain


@given(places, places)
def test_a_record_opens_at_no_other_place(place: Place, other: Place) -> None:
    sealed = seal(KEKS, "kek_1", place, PLAIN, secrets.token_bytes)
    assert accepted(sealed, other) == (place == other)


def test_shifting_text_between_two_parts_of_a_place_does_not_make_the_same_place() -> None:
    halves = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]
    aads = {Place(purpose, store, "id", 1).aad() for purpose, store in halves}
    aads |= {Place("p", "s", key, 1, bound).aad() for key, bound in halves}
    assert len(aads) == 2 * len(halves)


@pytest.mark.parametrize("part", ["dek", "content"])
def test_no_flipped_bit_is_accepted(part: str) -> None:
    sealed = sealed_now()
    whole = getattr(sealed, part)
    flips = [(at, bit) for at in range(len(whole)) for bit in range(8)]
    wrong = [flip for flip in flips if accepted(with_part(sealed, part, flipped(whole, *flip)))]
    assert len(flips) > 400
    assert wrong == []


def with_part(sealed: Sealed, part: str, value: bytes) -> Sealed:
    return replace(sealed, dek=value) if part == "dek" else replace(sealed, content=value)


def flipped(whole: bytes, at: int, bit: int) -> bytes:
    return whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


@pytest.mark.parametrize("part", ["dek", "content"])
def test_no_shortened_or_lengthened_envelope_is_accepted(part: str) -> None:
    sealed = sealed_now()
    whole = getattr(sealed, part)
    shapes = [whole[:cut] for cut in range(len(whole))] + [whole[cut:] for cut in range(1, len(whole))]
    shapes += [whole + b"\x00", b"\x00" + whole, whole + whole]
    assert [shape for shape in shapes if accepted(with_part(sealed, part, shape))] == []


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_arbitrary_bytes_are_refused_and_never_crash(dek: bytes, content: bytes) -> None:
    assert not accepted(Sealed("kek_1", dek, content))
    assert not accepted(replace(sealed_now(), content=b"VK1\x01" + content))


@pytest.mark.parametrize("kek", ["kek_2", "kek_3", ""])
def test_another_key_or_an_unknown_one_does_not_open_it(kek: str) -> None:
    assert not accepted(replace(sealed_now(), kek=kek))


def test_every_record_has_a_data_key_and_nonces_of_its_own() -> None:
    many = [sealed_now() for _ in range(500)]
    nonces = {one.content[4:16] for one in many} | {one.dek[4:16] for one in many}
    deks = {one.dek[16:] for one in many}
    assert (len(nonces), len(deks)) == (1000, 500)


def test_the_plaintext_shows_neither_in_the_envelope_nor_in_a_refusal() -> None:
    sealed = sealed_now()
    assert b"canary" not in sealed.content + sealed.dek
    with pytest.raises(IntegrityError) as caught:
        open_sealed(KEKS, replace(PLACE, version=4), sealed)
    assert "canary" not in str(caught.value)
