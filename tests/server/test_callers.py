"""What request state is bound to tells any two callers apart, whatever their ids are made of."""

from hypothesis import given
from hypothesis import strategies as st

from valetkey.model import Actor, Caller, Principal
from valetkey.server.callers import binding

TRICKY = st.text(st.sampled_from(list('/:|,"\\[]\x00\x1f é\u0065\u0301a')), max_size=4)
IDS = st.tuples(TRICKY, TRICKY, TRICKY)


@given(IDS, IDS)
def test_two_callers_are_bound_to_two_texts(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    def bound(ids: tuple[str, str, str]) -> str:
        issuer, subject, client = ids
        return binding(Caller(Principal(issuer, subject), Actor(client), "ses_1"))

    assert (bound(one) == bound(other)) is (one == other)
