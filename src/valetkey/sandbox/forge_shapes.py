"""How GitHub writes what `forge` holds. The real answers have more fields."""

from datetime import UTC, datetime

from valetkey.model import Json
from valetkey.sandbox.forge import Comment, Issue, Repository, blob_id
from valetkey.sandbox.people import PEOPLE, Person

SITE, API = "https://github.com", "https://api.github.com"


def date(milliseconds: int) -> str:
    """A moment as GitHub writes it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user(person: Person) -> Json:
    """Somebody, as others see them."""
    links = {"html_url": f"{SITE}/{person.handle}", "url": f"{API}/users/{person.handle}"}
    return {"login": person.handle, "id": 101 + PEOPLE.index(person), "type": "User", **links}


def repository(repo: Repository) -> Json:
    """A repository."""
    return {
        "id": 9000 + len(repo.name),
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": {"login": repo.owner},
        "private": repo.private,
        "description": repo.about,
        "default_branch": "main",
        "html_url": f"{SITE}/{repo.full_name}",
        "url": f"{API}/repos/{repo.full_name}",
        "updated_at": date(max(item.updated for item in repo.issues)),
        "open_issues_count": sum(not item.closed for item in repo.issues),
    }


def issue(repo: Repository, item: Issue) -> Json:
    """An issue. One that is a pull request says so, in lists of issues."""
    kind = "pull" if item.head else "issues"
    link = f"{SITE}/{repo.full_name}/{kind}/{item.number}"
    shown = {
        "id": 100 * len(repo.full_name) + item.number,
        "number": item.number,
        "title": item.title,
        "body": item.text,
        "state": "closed" if item.closed else "open",
        "state_reason": item.reason,
        "user": user(item.author),
        "labels": [{"name": name, "color": "ededed", "default": False} for name in item.labels],
        "assignees": [],
        "comments": len(item.comments),
        "created_at": date(item.created),
        "updated_at": date(item.updated),
        "html_url": link,
        "repository_url": f"{API}/repos/{repo.full_name}",
    }
    return shown | ({"pull_request": {"html_url": link}} if item.head else {})


def pull(repo: Repository, item: Issue) -> Json:
    """A pull request, as its own endpoints have it."""
    shown = issue(repo, item)
    del shown["pull_request"], shown["state_reason"], shown["repository_url"]
    branch = {"ref": item.head, "label": f"{repo.owner}:{item.head}", "sha": blob_id(str(item.head))}
    sizes = {"commits": 2, "additions": 31, "deletions": 4, "changed_files": 3}
    state = {"draft": False, "merged": False, "mergeable": True, **sizes}
    base = {"ref": "main", "label": f"{repo.owner}:main", "sha": blob_id("main")}
    return {**shown, **state, "head": branch, "base": base}


def comment(repo: Repository, item: Issue, said: Comment) -> Json:
    """A comment on an issue."""
    return {
        "id": said.id,
        "body": said.text,
        "user": user(said.author),
        "created_at": date(said.created),
        "updated_at": date(said.created),
        "html_url": f"{SITE}/{repo.full_name}/issues/{item.number}#issuecomment-{said.id}",
    }


def thread(repo: Repository, item: Issue) -> Json:
    """A notification about an issue."""
    kind = "PullRequest" if item.head else "Issue"
    link = f"{API}/repos/{repo.full_name}/issues/{item.number}"
    return {
        "id": str(100 * len(repo.full_name) + item.number),
        "unread": True,
        "reason": "subscribed",
        "updated_at": date(item.updated),
        "subject": {"title": item.title, "type": kind, "url": link},
        "repository": {"full_name": repo.full_name, "html_url": f"{SITE}/{repo.full_name}"},
    }


def tree(repo: Repository, *, recursive: bool) -> Json:
    """What is in a repository: files, and where it is not recursive the folders at the top."""
    blobs = [
        {"path": path, "mode": "100644", "type": "blob", "sha": sha, "size": len(repo.files[path].encode())}
        for path, sha in repo.tree().items()
        if recursive or "/" not in path
    ]
    folders = sorted({path.split("/")[0] for path in repo.files if "/" in path} if not recursive else ())
    trees = [{"path": path, "mode": "040000", "type": "tree", "sha": blob_id(path)} for path in folders]
    return {"sha": blob_id(repo.full_name), "tree": blobs + trees, "truncated": False}
