"""What the demo says that a person sees is what stands on the page."""

from valetkey.demo.reading import Seen, seen

PAGE = """
<title>Somewhere · Valetkey</title>
<h1>Let <bdi>triage</bdi>
    use <bdi>Gmail</bdi>?</h1>
<p class="soft">You choose the account in the next step</p><p class="soft small">not this</p>
<label><input type="checkbox" name="tool" value="a" checked>
  <span><strong>List unread</strong><span class="effect read">reads</span></span></label>
<label><input type="checkbox" name="tool" value="b">
  <span><strong>Send message</strong><span class="effect write">changes</span></span></label>
<label><input type="radio" name="lasts" value="1 hour"><span>1 hour</span></label>
<label><input type="radio" name="lasts" value="8 hours" checked><span>8 hours</span></label>
<p class="account"><bdi>ana@example.com</bdi></p><strong>outside</strong>
"""


def test_a_page_is_read_by_what_a_person_decides_by() -> None:
    assert seen(PAGE) == Seen(
        heading="Let triage use Gmail?",
        text="You choose the account in the next step",
        account="ana@example.com",
        ticked=(("List unread", "reads"),),
        lasts="8 hours",
    )


def test_another_page_shows_nothing_of_it() -> None:
    assert seen("<p>Nothing here") == Seen("", "", "", (), "")
