"""A connection to the warehouse of a profile as dbt's adapter would make it, without dbt: its import takes seconds.

It follows dbt-duckdb 1.11 and dbt-spark 1.11, whose own classes the tests compare it with. What of a profile it cannot
honour it refuses: a connection that leaves something out would read other data than dbt does.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar
from urllib.parse import urlparse

import duckdb

from dbt_vigil.project import Project, VigilError
from dbt_vigil.record import when_unlocked

__all__ = ["KEEP_FOOTERS", "Connection", "NotHonoured", "QueryError", "direct_connection"]

KEEP_FOOTERS = "set global parquet_metadata_cache = true"
"""For DuckDB: a statement has many scans of a file, each of which would read its footer again."""

T = TypeVar("T")
Types = Mapping[str, tuple[type, ...]]
NONE = type(None)

DUCKDB_KEYS: Types = {
    "type": (str,),
    "threads": (int,),
    "database": (str,),
    "schema": (str,),
    "path": (str,),
    "config_options": (dict, NONE),
    "extensions": (list, NONE),
    "settings": (dict, NONE),
    "secrets": (list, NONE),
    "use_credential_provider": (str, NONE),
    "attach": (list, NONE),
    "retries": (dict, NONE),
    # These say how dbt runs and renders models, and nothing of the connection.
    "external_root": (str,),
    "disable_transactions": (bool,),
    "keep_open": (bool,),
    "module_paths": (list, NONE),
    "flights": (dict, NONE),
    "is_ducklake": (bool, NONE),
    # These need code of dbt's.
    "filesystems": (list, NONE),
    "motherduck_token": (str, NONE),
    "plugins": (list, NONE),
    "remote": (dict, NONE),
}
DUCKDB_REFUSED = ("filesystems", "motherduck_token", "plugins", "remote")
ATTACHMENT_KEYS: Types = {
    "path": (str,),
    "type": (str, NONE),
    "alias": (str, NONE),
    "secret": (str, NONE),
    "read_only": (bool,),
    "options": (dict, NONE),
    "is_ducklake": (bool, NONE),
}
RETRIES_KEYS: Types = {"connect_attempts": (int,), "query_attempts": (int, NONE), "retryable_exceptions": (list,)}
MOTHERDUCK = ("md", "motherduck")
SECRETIVE = re.compile("credential|key|password|secret|token", re.IGNORECASE)

SPARK_KEYS: Types = {
    "type": (str,),
    "threads": (int,),
    "method": (str,),
    "schema": (str,),
    "database": (str, NONE),
    "host": (str,),
    "port": (int,),
    "user": (str, NONE),
    "password": (str, NONE),
    "auth": (str, NONE),
    "kerberos_service_name": (str, NONE),
    "use_ssl": (bool,),
    "server_side_parameters": (dict,),
    "connect_retries": (int,),
    "connect_timeout": (int,),
    "retry_all": (bool,),
    "query_timeout": (int, NONE),
    "poll_interval": (int,),
    "query_retries": (int,),
    # These are of the methods `http` and `odbc`.
    "driver": (str, NONE),
    "cluster": (str, NONE),
    "endpoint": (str, NONE),
    "token": (str, NONE),
    "organization": (str,),
    "connection_string_suffix": (str, NONE),
}


class NotHonoured(Exception):  # noqa: N818
    """Something in a profile that only dbt's own adapter can honour: the message names it, and holds no value of it."""


class QueryError(VigilError):
    """A statement failed: the message is the engine's, the cause its exception."""


class Connection(Protocol):
    """A connection for one thread."""

    def rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of a query's columns, and its rows."""

    def execute(self, sql: str) -> None:
        """Run a statement."""

    def another(self) -> Connection:
        """A connection for another thread, in the state that dbt gives each of its threads."""

    def close(self) -> None:
        """Let go of the database, once every other connection to it is closed too."""


def direct_connection(project: Project, *, wait: float = 60, read_only: bool = False) -> Connection:
    """Connect as dbt would with the project's profile, without dbt.

    Args:
        project: Whose target.
        wait: Seconds to wait for a DuckDB file that another process has locked.
        read_only: Whether to open DuckDB's files, also the attached ones, for reading only, as many processes can at
            once. A file that does not exist is then an error.

    Raises:
        NotHonoured: The profile has something that only dbt's adapter can honour.
        VigilError: The connection cannot be made.
    """
    if project.engine == "duckdb":
        return _duckdb(project, wait, read_only)
    if project.engine == "spark":
        return _spark(project)
    raise NotHonoured(f"the profile is of type `{project.engine}`")


def _checked(given: Any, types: Types, where: str) -> dict[str, Any]:
    """The keys that are given, each of a type that dbt accepts, without those that are null."""
    if not isinstance(given, Mapping):
        raise NotHonoured(f"{where} is not a mapping")
    found = {}
    for key, value in given.items():
        if key not in types:
            raise NotHonoured(f"{where} has `{key}`, which is not known")
        if isinstance(value, str) and str not in types[key]:
            value = _literal(value)
        if not isinstance(value, types[key]):
            raise NotHonoured(f"`{key}` of {where} is not of the type {types[key][0].__name__}")
        if value is not None:
            found[key] = value
    return found


def _literal(text: str) -> Any:
    """What dbt's filters `as_native`, `as_bool` and `as_number` make of a text: a project's values are all texts."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError):
        return text


def _needs_text(value: Any, lest: tuple[type, ...], where: str) -> None:
    if isinstance(value, str) and isinstance(_literal(value), lest):
        raise NotHonoured(f"{where} is a text that may have been another type")


def _reason(error: Exception, hidden: Collection[str] = ()) -> str:
    """An error's message without the statement it quotes, and without any word of the values to hide."""
    message = str(error).partition("\nLINE ")[0].rstrip()
    words = {word for value in hidden for word in [value, *re.findall(r"\w{3,}", value)] if word}
    for word in sorted(words, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "***", message, flags=re.IGNORECASE)
    return message


def _retried(action: Callable[[], T], attempts: int, exceptions: Collection[str]) -> T:
    for attempt in range(attempts - 1):
        try:
            return action()
        except Exception as error:
            if type(error).__name__ not in exceptions:
                raise
            sleep(2**attempt)
    return action()


@dataclass(frozen=True)
class _DuckDBProfile:
    """What dbt-duckdb does with a profile, as calls and statements."""

    path: str
    config: Mapping[str, Any] = field(repr=False)
    extensions: Sequence[str | Mapping[str, str]]
    statements: Sequence[str] = field(repr=False)
    """Run once a database: its secrets and attached databases."""
    settings: Sequence[str] = field(repr=False)
    """Run once a connection."""
    connect_attempts: int
    query_attempts: int
    retryable: Collection[str]
    hidden: Collection[str] = field(repr=False)
    """Texts that no message may show."""

    def opened(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        handle = _retried(
            lambda: duckdb.connect(self.path, read_only=read_only, config=dict(self.config)),
            self.connect_attempts,
            self.retryable,
        )
        try:
            with suppress(duckdb.Error):  # the profile may lock the configuration
                handle.execute(KEEP_FOOTERS)
            for extension in self.extensions:
                if isinstance(extension, str):
                    handle.install_extension(extension)
                    handle.load_extension(extension)
                else:
                    handle.execute(f"install {extension['name']} from {extension['repo']}")
                    handle.load_extension(extension["name"])
            for statement in self.statements:
                handle.execute(statement)
            return self.configured(handle)
        except BaseException:
            handle.close()
            raise

    def configured(self, handle: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        for setting in self.settings:
            handle.execute(setting)
        return handle


def _duckdb(project: Project, wait: float, read_only: bool) -> Connection:
    profile = _duckdb_profile(project.credentials, read_only)
    file = project.database_file
    # What is in memory, or behind an address, cannot be opened for reading only.
    main_read_only = read_only and file is not None and "://" not in profile.path
    try:
        return _DuckDB(when_unlocked(lambda: profile.opened(main_read_only), wait), profile)
    except duckdb.Error as error:
        what = f"{file} cannot be opened" if file else f"There is no connection to target `{project.target_name}`"
        raise VigilError(f"{what}: {_reason(error, profile.hidden)}") from None


def _duckdb_profile(credentials: Mapping[str, Any], read_only: bool) -> _DuckDBProfile:
    given = _checked(credentials, DUCKDB_KEYS, "the profile")
    for key in DUCKDB_REFUSED:
        if given.get(key):
            raise NotHonoured(f"the profile has `{key}`")
    path = given.get("path", ":memory:")
    attached = [_checked(entry, ATTACHMENT_KEYS, "`attach`") for entry in given.get("attach", [])]
    if any("path" not in entry for entry in attached):
        raise NotHonoured("`attach` has no `path`")
    if any(urlparse(place).scheme in MOTHERDUCK for place in (path, *(entry["path"] for entry in attached))):
        raise NotHonoured("a `path` is of MotherDuck")
    if not _database_name(path) or given.get("database", _database_name(path)) not in (
        _database_name(path),
        *(entry.get("alias") for entry in attached),
    ):
        raise NotHonoured("`database` is neither that of `path` nor an alias in `attach`")
    extensions = given.get("extensions", [])
    if not all(isinstance(entry, str) or (isinstance(entry, dict) and set(entry) == {"name", "repo"})
               for entry in extensions):  # fmt: skip
        raise NotHonoured("`extensions` has an entry that is neither a name nor a name and a repo")
    secrets = list(given.get("secrets", []))
    if provider := given.get("use_credential_provider"):
        if provider != "aws":
            raise NotHonoured("`use_credential_provider` is not `aws`")
        secrets.append({"type": "s3", "provider": "credential_chain"})
    retries = _checked(given.get("retries", {}), RETRIES_KEYS, "`retries`")
    settings, config = given.get("settings", {}), given.get("config_options", {})
    return _DuckDBProfile(
        path=path,
        config=config,
        extensions=extensions,
        statements=[
            *(_secret_sql(secret, number + 1) for number, secret in enumerate(secrets)),
            *(_attach_sql(entry, read_only) for entry in attached),
        ],
        settings=[f"SET {key} = {_quoted(value)}" for key, value in settings.items()],
        connect_attempts=retries.get("connect_attempts", 1),
        query_attempts=retries.get("query_attempts", 1) or 1,
        retryable=retries.get("retryable_exceptions", ["IOException"]),
        hidden=[
            *(
                text
                for secret in secrets
                for key, value in secret.items()
                if key not in ("name", "persistent", "provider", "type")
                for text in _texts(value)
            ),
            *(text for entry in attached for text in _texts(entry.get("options", {}))),
            *(entry["path"] for entry in attached if re.search("[=@?]", entry["path"])),
            *(text for key, value in {**settings, **config}.items() if SECRETIVE.search(key) for text in _texts(value)),
        ],
    )


def _database_name(path: str) -> str:
    if path == ":memory:":
        return "memory"
    parsed = urlparse(path)
    file = os.path.basename(parsed.path)  # noqa: PTH119
    if parsed.scheme.lower() == "ducklake":
        return urlparse(os.path.splitext(file)[0]).path  # noqa: PTH122
    return file.lstrip(".").split(".")[0]


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for entry in value.values() for text in _texts(entry)]
    return [text for entry in value for text in _texts(entry)] if isinstance(value, list) else [str(value)]


def _quoted(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _secret_sql(secret: Any, number: int) -> str:
    if not isinstance(secret, Mapping) or "type" not in secret:
        raise NotHonoured("`secrets` has an entry without a `type`")
    given = dict(secret)
    given = {"type": given.pop("type"), "provider": given.pop("provider", None), **given}
    name, persistent = given.pop("name", f"_dbt_secret_{number}"), given.pop("persistent", None)
    if not isinstance(persistent, (bool, NONE)):
        raise NotHonoured("`persistent` in `secrets` is not of the type bool")
    for key, value in given.items():
        _needs_text(value, (dict, list, tuple, NONE), f"`{key}` in `secrets`")
    scope = given.pop("scope", None)
    parameters = [_secret_parameter(key, value) for key, value in given.items() if value is not None]
    if scope is not None:
        parameters += [f"scope {_quoted(entry)}" for entry in (scope if isinstance(scope, list) else [scope])]
    replaced = "CREATE OR REPLACE" if name else "CREATE"
    kind = " PERSISTENT SECRET" if persistent else " SECRET"
    listed = ",\n    ".join(parameters)
    return f"{replaced}{kind}{f' {name}' if name else ''} (\n    {listed}\n)"


def _secret_parameter(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{key} map {{{', '.join(f'{_quoted(k)}: {_quoted(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"{key} array [{', '.join(map(_quoted, value))}]"
    return f"{key} {value if key in ('type', 'provider', 'extra_http_headers') else _quoted(value)}"


def _attach_sql(entry: Mapping[str, Any], read_only: bool) -> str:
    options = dict(entry.get("options", {}))
    for key, value in options.items():
        _needs_text(value, (bool, int, float, NONE), f"`{key}` of the `options` in `attach`")
        if entry.get(key) and key in ("type", "secret", "read_only"):
            raise NotHonoured(f"`attach` has `{key}` twice")
    listed = [
        f"{key.upper()} {value}" for key in ("type", "secret") if (value := options.pop(key, None) or entry.get(key))
    ]
    if options.pop("read_only", False) or entry.get("read_only") or read_only:
        listed.append("READ_ONLY")
    for key, value in options.items():
        if value is True:
            listed.append(key.upper())
        elif isinstance(value, str) and not re.fullmatch(r"\s*('.*'|\".*\")\s*", value, re.DOTALL):
            listed.append(f"{key.upper()} {_quoted(value)}")
        elif value is not None and value is not False:
            listed.append(f"{key.upper()} {value}")
    alias = f" AS {entry['alias']}" if entry.get("alias") else ""
    return f"ATTACH IF NOT EXISTS {_quoted(entry['path'])}{alias}" + (f" ({', '.join(listed)})" if listed else "")


class _DuckDB:
    def __init__(self, handle: duckdb.DuckDBPyConnection, profile: _DuckDBProfile) -> None:
        self._handle = handle
        self._profile = profile

    def rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _failures(duckdb.Error):
            self._run(sql)
            return [column[0] for column in self._handle.description], self._handle.fetchall()

    def execute(self, sql: str) -> None:
        with _failures(duckdb.Error):
            self._run(sql)

    def another(self) -> Connection:
        return _DuckDB(self._profile.configured(self._handle.cursor()), self._profile)

    def close(self) -> None:
        self._handle.close()

    def _run(self, sql: str) -> None:
        _retried(lambda: self._handle.execute(sql), self._profile.query_attempts, self._profile.retryable)


@contextmanager
def _failures(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except VigilError:
        raise
    except kind as error:
        status = getattr(error.args[0], "status", None) if error.args else None
        raise QueryError(status.errorMessage if status else str(error)) from error


def _spark(project: Project) -> Connection:
    profile = _checked(project.credentials, SPARK_KEYS, "the profile")
    for key in ("method", "host", "schema"):
        if key not in profile:
            raise NotHonoured(f"the profile has no `{key}`")
    if profile.get("database", profile["schema"]) != profile["schema"]:
        raise NotHonoured("`database` is not the same as `schema`")
    given = profile.get("server_side_parameters", {})
    # dbt-spark turns ANSI mode off, whatever the profile says.
    parameters = {str(key): str(value) for key, value in given.items()} | {"spark.sql.ansi.enabled": "false"}
    if profile["method"] == "session":
        return _Session(parameters)
    if profile["method"] != "thrift":
        raise NotHonoured(f"the profile has the `method` {profile['method']}")
    if profile.get("use_ssl"):
        raise NotHonoured("the profile has `use_ssl`")
    return _Thrift(profile, parameters, f"There is no connection to target `{project.target_name}`")


class _Session:
    """The Spark session of this process, which is one for all its threads."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters

    def rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _failures(Exception):
            frame = self._run(sql)
            return frame.columns, [tuple(row) for row in frame.collect()]

    def execute(self, sql: str) -> None:
        with _failures(Exception):
            self._run(sql)

    def another(self) -> Connection:
        return self

    def close(self) -> None:
        pass

    def _run(self, sql: str) -> Any:
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.enableHiveSupport()
        for key, value in self._parameters.items():
            builder = builder.config(key, value)
        return builder.getOrCreate().sql(_without_semicolon(sql))


class _Thrift:
    def __init__(self, profile: Mapping[str, Any], parameters: Mapping[str, str], failure: str) -> None:
        self._profile = profile
        self._parameters = parameters
        self._failure = failure
        self._handle = self._connected()

    def rows(self, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _failures(Exception):
            cursor = self._run(sql)
            names, rows = [column[0] for column in cursor.description], cursor.fetchall()
            cursor.close()
            return names, rows

    def execute(self, sql: str) -> None:
        with _failures(Exception):
            self._run(sql).close()

    def another(self) -> Connection:
        return _Thrift(self._profile, self._parameters, self._failure)

    def close(self) -> None:
        self._handle.close()

    def _connected(self) -> Any:
        from pyhive import hive

        profile = self._profile
        retries = profile.get("connect_retries", 0)
        for attempt in range(retries + 1):
            try:
                return hive.connect(
                    host=profile["host"].rstrip("/"),
                    port=profile.get("port", 443),
                    username=profile.get("user"),
                    auth=profile.get("auth"),
                    kerberos_service_name=profile.get("kerberos_service_name"),
                    password=profile.get("password"),
                    configuration=self._parameters,
                )
            except Exception as error:
                passing = profile.get("retry_all") or re.search("pending|temporarily_unavailable", str(error), re.I)
                if isinstance(error, EOFError) or not passing or attempt == retries:
                    reason = _reason(error, [profile.get("password", "")])
                    raise VigilError(f"{self._failure}: failed to connect: {type(error).__name__}: {reason}") from None
            sleep(profile.get("connect_timeout", 10))
        raise AssertionError

    def _run(self, sql: str) -> Any:
        """Run a statement, again if the connection was lost and the profile says so, and return its cursor."""
        from pyhive import hive

        lost = (ConnectionResetError, BrokenPipeError, EOFError, hive.thrift.transport.TTransport.TTransportException)
        for _ in range(self._profile.get("query_retries", 1)):
            try:
                return self._polled(sql, hive.ttypes.TOperationState)
            except lost:
                sleep(self._profile.get("poll_interval", 5))
        return self._polled(sql, hive.ttypes.TOperationState)

    def _polled(self, sql: str, states: Any) -> Any:
        cursor = self._handle.cursor()
        start = monotonic()
        cursor.execute(_without_semicolon(sql), async_=True)
        timeout = self._profile.get("query_timeout")
        while (poll := cursor.poll()).operationState in (
            states.INITIALIZED_STATE,
            states.RUNNING_STATE,
            states.PENDING_STATE,
        ):
            waited = monotonic() - start
            if timeout is not None and waited > timeout:
                raise QueryError(f"Query exceeded timeout of {timeout} seconds")
            sleep(min(0.01 + waited / 50, self._profile.get("poll_interval", 5)))
        if poll.errorMessage or poll.operationState != states.FINISHED_STATE:
            name = states._VALUES_TO_NAMES.get(poll.operationState)
            raise QueryError(poll.errorMessage or f"Query failed with status: {name}")
        return cursor


def _without_semicolon(sql: str) -> str:
    return sql.strip().removesuffix(";")
