"""Google Calendar tools that need more than a request template: the API nests times and guests."""

from typing import Any

EVENT = "/calendars/{calendar}/events/{event}"


async def create_event(call: Any) -> dict[str, Any]:
    """Plan an event, and invite its guests."""
    query, path = {"sendUpdates": call.args["notify"]}, {"calendar": call.args["calendar"]}
    event = await call.request(
        "POST /calendars/{calendar}/events", path=path, query=query, json=_written(call.args)
    )
    return _shown(event)


async def update_event(call: Any) -> dict[str, Any]:
    """Change what is given of an event, and nothing else."""
    query = {"sendUpdates": call.args["notify"]}
    event = await call.request(f"PATCH {EVENT}", path=_path(call), query=query, json=_written(call.args))
    return _shown(event)


async def respond_to_event(call: Any) -> dict[str, Any]:
    """Answer an invitation. The list of guests is sent whole, so it is read first."""
    event = await call.request(f"GET {EVENT}", path=_path(call))
    guests = [_answered(guest, call.args["answer"]) for guest in event.get("attendees", [])]
    if not any(guest.get("self") for guest in guests):
        return {**_shown(event), "answer": None}
    query = {"sendUpdates": call.args["notify"]}
    event = await call.request(f"PATCH {EVENT}", path=_path(call), query=query, json={"attendees": guests})
    return {**_shown(event), "answer": call.args["answer"]}


async def find_busy_times(call: Any) -> dict[str, Any]:
    """Ask when calendars are taken. One that is not there, or is not shown, has a `problem`."""
    calendars = [{"id": calendar} for calendar in call.args["calendars"]]
    body = {"timeMin": call.args["after"], "timeMax": call.args["before"], "items": calendars}
    reply = await call.request("POST /freeBusy", json=body)
    return {"items": [_busy(name, found) for name, found in reply["calendars"].items()]}


def _path(call: Any) -> dict[str, str]:
    return {"calendar": call.args["calendar"], "event": call.args["event"]}


def _written(args: Any) -> dict[str, Any]:
    """The arguments that were given, as the API nests them."""
    body = {key: args[key] for key in ("summary", "description", "location") if key in args}
    zone = {"timeZone": args["time_zone"]} if "time_zone" in args else {}
    body |= {edge: {"dateTime": args[edge], **zone} for edge in ("start", "end") if edge in args}
    if "guests" in args:
        body["attendees"] = [{"email": guest} for guest in args["guests"]]
    return body


def _answered(guest: dict[str, Any], answer: str) -> dict[str, Any]:
    return {**guest, "responseStatus": answer} if guest.get("self") else guest


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    times = {edge: event[edge].get("dateTime") or event[edge].get("date") for edge in ("start", "end")}
    return {"id": event["id"], "summary": event.get("summary"), **times, "link": event.get("htmlLink")}


def _busy(calendar: str, found: dict[str, Any]) -> dict[str, Any]:
    busy = [{"start": span["start"], "end": span["end"]} for span in found.get("busy", [])]
    problem = next((error.get("reason") for error in found.get("errors", [])), None)
    return {"calendar": calendar, "busy": busy, "problem": problem}
