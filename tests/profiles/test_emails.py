"""Which email addresses are taken. Braze: email validation."""

import time

import pytest

from profiles.identities import EMAIL
from profiles.models import Profile
from tests.profiles.conftest import Post
from tests.profiles.test_track import errors

GOOD = [
    "user@example.com",
    "O'Neil.user+news@ex-ample.co.jp",
    "!#$%&'*/=?^_`|~-@example.com",
    "-user-@example.com",
    "名前@example.jp",
    "e\u0301@example.com",
    "user@xn--bcher-kva.example",
    "u" * 64 + "@example.com",
    "user@" + "e" * 63 + ".com",
    "us@gmail.com",
    "u@gmail.example",
    "first.last+any!thing@hotmail.co.jp",
    "7@live.com",
    "u!@olive.com",
]
BAD = [
    "user",
    "@example.com",
    "user@",
    "user@example",
    "user@example.c",
    "user@example.com.",
    "user@example..com",
    "user@-example.com",
    "user@example-.com",
    "user@ex_ample.com",
    "user@bücher.example",
    "user@192.168.0.1",
    "user@[192.168.0.1]",
    "user@" + "e" * 64 + ".com",
    "u" * 65 + "@example.com",
    ".user@example.com",
    "user.@example.com",
    "us..er@example.com",
    "us,er@example.com",
    "us;er@example.com",
    "us er@example.com",
    "us\u3000er@example.com",
    "us\u200ber@example.com",
    "us@er@example.com",
    '"user"@example.com',
    "us(er)@example.com",
    "us{er@example.com",
    "us\\er@example.com",
    "u@gmail.com",
    "u@GoogleMail.com",
    "us!er@hotmail.co.jp",
    "-user@outlook.com",
    "é@mail.live.com",
    "us..er@msn.com",
]
#: As a name, an address is taken as it comes.
SPACED = [" user@example.com", "user@example.com ", "\u3000user@example.com", "user@example.com\n"]
WRONG = "The value provided for the 'email' field is not a valid email."


@pytest.mark.django_db
def test_addresses_that_are_taken(track: Post) -> None:
    answer = track(attributes=[{"email": one, "plan": "gold"} for one in GOOD])
    assert answer.json() == {"message": "success", "attributes_processed": len(GOOD)}
    track(attributes=[{"external_id": str(number), "email": one} for number, one in enumerate(GOOD)])
    found = Profile.objects.exclude(external_id=None).values_list("email", flat=True)
    assert sorted(found) == sorted(GOOD)


@pytest.mark.django_db
@pytest.mark.parametrize("who", [{"external_id": "user-1"}, {}], ids=["attribute", "name"])
def test_addresses_that_are_refused(track: Post, who: dict[str, str]) -> None:
    wrong = BAD if who else BAD + SPACED
    answer = track(attributes=[{**who, "email": one, "plan": "gold"} for one in wrong])
    assert answer.status_code == 400, "nothing is left to use"
    assert errors(answer) == [("attributes", number, WRONG) for number in range(len(wrong))]
    assert not Profile.objects.exists()


@pytest.mark.django_db
def test_other_endpoints_refuse_them_as_well(post: Post) -> None:
    for one in ("us..er@example.com", " user@example.com "):
        contact = {"email": one, "prioritization": ["identified"]}
        answer = post("/users/delete", {"email_addresses": [contact]})
        assert (answer.status_code, answer.json()) == (400, {"message": WRONG})
        answer = post("/users/identify", {"emails_to_identify": [{"external_id": "user-1", **contact}]})
        assert (answer.status_code, answer.json()) == (400, {"message": WRONG})


@pytest.mark.parametrize("text", ["a" * 100_000, "a." * 50_000, "a@" + "b." * 50_000, "a@" + "live." * 20_000 + "1"])
def test_a_long_text_takes_no_long_time(text: str) -> None:
    begin = time.process_time()
    assert not EMAIL.fullmatch(text)
    assert time.process_time() - begin < 1, "and not the time of its square"
