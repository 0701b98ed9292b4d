"""The sandbox's GitHub API: repositories, issues, pull requests, files and notifications.

What a person may not see is answered with 404, as if it were not there.
"""

import base64
from collections.abc import Callable

from starlette.requests import Request
from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox import forge_shapes as shapes
from valetkey.sandbox.forge import Forge, Issue, Repository
from valetkey.sandbox.github_rest import GithubError, GithubRest, Paged, body, invalid, missing
from valetkey.sandbox.people import Person
from valetkey.sandbox.provider import Provider

REPO = "/repos/{owner}/{repo}"
ISSUE = REPO + "/issues/{number:int}"


class GithubApi:
    """The API over all repositories."""

    def __init__(self, provider: Provider, forge: Forge) -> None:
        self._provider, self._forge = provider, forge

    def routes(self) -> list[Route]:
        route = GithubRest(self._provider).route
        return [
            route("GET", "/user", None, self.user),
            route("GET", "/user/repos", "repo", self.repositories),
            route("GET", "/notifications", "notifications", self.notifications),
            route("GET", "/search/issues", None, self.search),
            route("GET", REPO + "/issues", "repo", self.issues),
            route("POST", REPO + "/issues", "repo", self.create),
            route("GET", ISSUE, "repo", self.issue),
            route("PATCH", ISSUE, "repo", self.update),
            route("GET", ISSUE + "/comments", "repo", self.comments),
            route("POST", ISSUE + "/comments", "repo", self.comment),
            route("GET", REPO + "/pulls", "repo", self.pulls),
            route("GET", REPO + "/pulls/{number:int}", "repo", self.pull),
            route("GET", REPO + "/git/trees/{ref}", "repo", self.tree),
            route("GET", REPO + "/git/blobs/{sha}", "repo", self.blob),
        ]

    async def user(self, _request: Request, person: Person) -> Json:
        return {**shapes.user(person), "name": person.name, "email": None, "company": None}

    async def repositories(self, _request: Request, person: Person) -> Json:
        mine = [repo for repo in self._forge.visible_to(person) if person in repo.members]
        return Paged(shapes.repository(repo) for repo in mine)

    async def notifications(self, _request: Request, person: Person) -> Json:
        """Whatever somebody else opened where this person is a member."""
        mine = [repo for repo in self._forge.visible_to(person) if person in repo.members]
        return Paged(shapes.thread(r, item) for r in mine for item in r.issues if item.author != person)

    async def search(self, request: Request, person: Person) -> Json:
        words = request.query_params.get("q", "").split()
        if not words:
            raise missing("Search", "q")
        seen = [(repo, item) for repo in self._forge.visible_to(person) for item in repo.issues]
        found = [
            (repo, item) for repo, item in seen if all(_fits(repo, item, word.lower()) for word in words)
        ]
        return Paged(shapes.issue(repo, item) for repo, item in found)

    async def issues(self, request: Request, person: Person) -> Json:
        """Pull requests are among them."""
        repo = self._repository(request, person)
        return Paged(shapes.issue(repo, item) for item in _shown(repo, request))

    async def create(self, request: Request, person: Person) -> Json:
        repo, form = self._repository(request, person), await body(request)
        title = form.get("title")
        if not isinstance(title, str) or not title:
            raise missing("Issue", "title")
        item = self._forge.open(repo, person, title, str(form.get("body") or ""), _labels(form, ()))
        self._posted(person, repo, item, title)
        return shapes.issue(repo, item)

    async def issue(self, request: Request, person: Person) -> Json:
        repo, item = self._found(request, person)
        return shapes.issue(repo, item)

    async def update(self, request: Request, person: Person) -> Json:
        """Only members may; what is not named stays as it is."""
        (repo, item), form = self._found(request, person), await body(request)
        if person not in repo.members:
            raise GithubError(403, "Must have admin rights to Repository.")
        state = form.get("state", "closed" if item.closed else "open")
        if state not in ("open", "closed"):
            raise invalid("state")
        item.closed, item.labels = state == "closed", _labels(form, item.labels)
        item.reason = form.get("state_reason", "completed") if item.closed else None
        item.title, item.text = form.get("title", item.title), form.get("body", item.text)
        self._forge.touch(item)
        return shapes.issue(repo, item)

    async def comments(self, request: Request, person: Person) -> Json:
        repo, item = self._found(request, person)
        return Paged(shapes.comment(repo, item, said) for said in item.comments)

    async def comment(self, request: Request, person: Person) -> Json:
        (repo, item), form = self._found(request, person), await body(request)
        text = form.get("body")
        if not isinstance(text, str) or not text:
            raise missing("IssueComment", "body")
        said = self._forge.comment(item, person, text)
        self._posted(person, repo, item, text)
        return shapes.comment(repo, item, said)

    async def pulls(self, request: Request, person: Person) -> Json:
        repo = self._repository(request, person)
        return Paged(shapes.pull(repo, item) for item in _shown(repo, request) if item.head)

    async def pull(self, request: Request, person: Person) -> Json:
        repo, item = self._found(request, person)
        if item.head is None:
            raise GithubError(404, "Not Found")
        return shapes.pull(repo, item)

    async def tree(self, request: Request, person: Person) -> Json:
        repo = self._repository(request, person)
        if request.path_params["ref"] not in ("HEAD", "main"):
            raise GithubError(404, "Not Found")
        return shapes.tree(repo, recursive="recursive" in request.query_params)

    async def blob(self, request: Request, person: Person) -> Json:
        """base64 in lines of sixty letters, as GitHub writes it."""
        sha = request.path_params["sha"]
        text = self._repository(request, person).blob(sha)
        if text is None:
            raise GithubError(404, "Not Found")
        encoded = base64.b64encode(text.encode()).decode()
        lines = "".join(encoded[n : n + 60] + "\n" for n in range(0, len(encoded), 60))
        return {"sha": sha, "size": len(text.encode()), "encoding": "base64", "content": lines}

    def _repository(self, request: Request, person: Person) -> Repository:
        found = self._forge.find(person, request.path_params["owner"], request.path_params["repo"])
        if found is None:
            raise GithubError(404, "Not Found")
        return found

    def _found(self, request: Request, person: Person) -> tuple[Repository, Issue]:
        repo = self._repository(request, person)
        item = repo.issue(request.path_params["number"])
        if item is None:
            raise GithubError(404, "Not Found")
        return repo, item

    def _posted(self, person: Person, repo: Repository, item: Issue, text: str) -> None:
        said = {"from": person.email, "repository": repo.full_name, "number": item.number, "text": text}
        self._provider.counters.posted.append(said)


def _fits(repo: Repository, item: Issue, word: str) -> bool:
    """Whether an issue fits one word of a search: a qualifier, or part of its text."""
    name, _, value = word.partition(":")
    state = "closed" if item.closed else "open"
    tests: dict[str, Callable[[], bool]] = {
        "repo": lambda: value == repo.full_name,
        "is": lambda: value in (state, "pr" if item.head else "issue"),
        "state": lambda: value == state,
        "author": lambda: value == item.author.handle,
        "label": lambda: value in item.labels,
    }
    return tests[name]() if name in tests else word in f"{item.title} {item.text}".lower()


def _shown(repo: Repository, request: Request) -> list[Issue]:
    """Newest first, of one state, with all labels asked for."""
    state = request.query_params.get("state", "open")
    labels = {label for label in request.query_params.get("labels", "").split(",") if label}
    of_state = [item for item in repo.issues if state in ("all", "closed" if item.closed else "open")]
    return [item for item in reversed(of_state) if labels <= set(item.labels)]


def _labels(form: Json, before: tuple[str, ...]) -> tuple[str, ...]:
    labels = form.get("labels", before)
    if not all(isinstance(label, str) for label in labels):
        raise invalid("labels")
    return tuple(labels)
