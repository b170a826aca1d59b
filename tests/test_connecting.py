"""A direct connection is in the state that dbt's own would be in, whatever the profile says, or is refused."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import deepcopy
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb import environments
from dbt.adapters.duckdb.credentials import Attachment, DuckDBCredentials, Retries
from dbt.adapters.spark.connections import SparkConnectionManager, SparkCredentials

from dbt_vigil import connecting
from dbt_vigil.connecting import Connection, NotHonoured, QueryError, direct_connection
from dbt_vigil.project import Project, VigilError
from tests.engines import Spark
from tests.spark.server import ThriftServer, thrift_server

SECRET = "hunter2-s3cret"
ZONE = "select current_setting('TimeZone')"


def project_of(credentials: dict[str, Any], directory: Path = Path()) -> Project:
    return Project(directory, "shop", directory, "shop", "dev", {"threads": 1, **credentials})


def connection_to(read_only: bool = False, wait: float = 0, **profile: Any) -> Connection:
    return direct_connection(project_of({"type": "duckdb", **profile}), read_only=read_only, wait=wait)


def dbt_credentials(profile: dict[str, Any]) -> DuckDBCredentials:
    copied = deepcopy(profile)  # it takes the secrets apart
    DuckDBCredentials.validate(copied)
    return DuckDBCredentials.from_dict(copied)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the databases shop.duckdb and side.duckdb, each with the table `named`."""
    monkeypatch.chdir(tmp_path)
    for name in ("shop", "side"):
        with duckdb.connect(f"{name}.duckdb") as connection:
            connection.execute(f"create table named as select '{name}' as name")
    return tmp_path


class Recorder:
    """In place of DuckDB: the calls that are made, one after the other."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def connect(self, path: str, **options: Any) -> Recorder:
        self.calls.append((path, options))
        return self

    def cursor(self) -> Recorder:
        return self

    def install_extension(self, name: str) -> None:
        self.calls.append(f"install_extension {name}")

    def load_extension(self, name: str) -> None:
        self.calls.append(f"load_extension {name}")

    def execute(self, sql: str) -> None:
        self.calls.append(sql)

    def close(self) -> None:
        pass


PATH = {"path": "other.duckdb"}
PROFILES: dict[str, dict[str, Any]] = {
    "in memory": {},
    "a file": {"path": "some/dir.d/.my.db.duckdb", "database": "my", "schema": "it's"},
    "config": {"config_options": {"threads": 2, "allow_unsigned_extensions": True, "TimeZone": "UTC"}},
    "settings": {"settings": {"TimeZone": "it's", "threads": 3, "preserve_insertion_order": False, "x": None}},
    "extensions": {"extensions": ["json", {"name": "h3", "repo": "community"}, "httpfs"]},
    "attached": {"attach": [PATH], "is_ducklake": None},
    "an alias": {"attach": [{**PATH, "alias": "o", "type": "sqlite", "secret": "s", "read_only": True}]},
    "the database is attached": {"database": "o", "attach": [{**PATH, "alias": "o"}]},
    "options": {
        "attach": [
            {
                "path": "ducklake:it's.ducklake",
                "is_ducklake": True,
                "options": {
                    "type": "ducklake",
                    "secret": "s",
                    "read_only": True,
                    "data_path": "it's",
                    "quoted": " 'a' ",
                    "double": '"a"',
                    "number": 5,
                    "yes": True,
                    "no": False,
                    "none": None,
                    "short": "'",
                },
            },
            {**PATH, "options": {"read_only": False}},
            {**PATH, "type": "t", "options": {"secret": "s"}},
        ]
    },
    "secrets": {
        "secrets": [
            {"type": "s3", "provider": "config", "key_id": "it's", "secret": "b", "use_ssl": False, "region": None},
            {"type": "s3", "name": "named", "persistent": True, "scope": "s3://it's"},
            {"type": "s3", "persistent": False, "scope": ["s3://a", "s3://b"], "port": 5},
            {"type": "http", "extra_http_headers": {"a": "it's", "b": "c"}},
            {"type": "http", "extra_http_headers": "map {'a': 'b'}", "listed": ["it's", 5]},
            {"name": None, "type": "gcs", "after": 1},
        ],
        "use_credential_provider": "aws",
    },
    "what is not of the connection": {
        "external_root": "there",
        "disable_transactions": True,
        "keep_open": False,
        "module_paths": [],
        "flights": {"enabled_by_default": False},
        "plugins": [],
        "filesystems": None,
        "retries": {"connect_attempts": 2, "query_attempts": 2, "retryable_exceptions": ["IOException"]},
    },
    "the order": {
        "secrets": [{"type": "s3"}],
        "settings": {"threads": 1},
        "attach": [PATH],
        "extensions": ["json"],
    },
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_it_says_to_duckdb_what_dbt_says(profile: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, dbts = Recorder(), Recorder()
    monkeypatch.setattr(duckdb, "connect", ours.connect)
    first = connection_to(**profile)
    assert ours.calls.pop(1) == "set global parquet_metadata_cache = true"  # for speed: dbt does not
    alone = len(ours.calls)
    first.another()
    monkeypatch.setattr(duckdb, "connect", dbts.connect)
    environment: Any = environments.create(dbt_credentials(profile))
    environment.handle()
    assert ours.calls[:alone] == dbts.calls
    before = len(dbts.calls)
    environment.handle()
    assert ours.calls[alone:] == dbts.calls[before:]


@pytest.mark.parametrize(
    "path", [":memory:", ":memory:shop", "a.b.c", ".x.y", "d.e/f", "ducklake:m/a.b.c", "s3://b/k.db"]
)
def test_a_path_names_the_same_database(path: str) -> None:
    assert connecting._database_name(path) == DuckDBCredentials.path_derived_database_name(path)


def test_every_key_of_dbts_is_known() -> None:
    def names(kind: Any) -> set[str]:
        return {field.name for field in fields(kind)}

    own = {"type", "threads"}
    assert set(connecting.DUCKDB_KEYS) == names(DuckDBCredentials) | own
    assert set(connecting.ATTACHMENT_KEYS) == names(Attachment)
    assert set(connecting.RETRIES_KEYS) == names(Retries)
    assert set(connecting.SPARK_KEYS) == names(SparkCredentials) | own


def test_the_state_is_dbts(files: Path) -> None:
    profile: dict[str, Any] = {
        "path": "shop.duckdb",
        "schema": "marts",
        "config_options": {"secret_directory": str(files / "secrets"), "threads": 1, "max_memory": "300MB"},
        "settings": {"TimeZone": "Asia/Kolkata", "search_path": "side", "default_null_order": "nulls_first"},
        "attach": [{"path": "side.duckdb"}, {"path": ":memory:", "alias": "scratch"}],
        "secrets": [
            {"type": "http", "bearer_token": SECRET},
            {"type": "http", "name": "kept", "persistent": True, "scope": "https://example.com", "bearer_token": "b"},
        ],
    }
    queries = [
        # The client shows progress in a Python without a script, as a worker of pytest-xdist is. The cache is ours.
        "select name, value, scope from duckdb_settings()"
        " where name not in ('enable_progress_bar', 'parquet_metadata_cache') order by name",
        "select * exclude database_oid from duckdb_databases() order by database_name",
        "select * from duckdb_secrets() order by name",
        "select current_database(), current_schema(), current_schemas(false)",
    ]
    with closing(connection_to(**profile)) as connection, closing(connection.another()) as other:
        ours = [connection.rows(query)[1] for query in queries]
        others = [other.rows(query)[1] for query in queries]
    assert [set(map(str, rows)) ^ set(map(str, found)) for rows, found in zip(ours, others, strict=True)] == [set()] * 4
    environment: Any = environments.create(dbt_credentials(profile))
    handle = environment.handle()
    dbts = [handle.cursor().execute(query).fetchall() for query in queries]
    handle.close()
    environment.close()
    assert ours == dbts
    assert {"Asia/Kolkata", "286.1 MiB"} <= {value for _, value, _ in ours[0]}
    assert [row[0] for row in ours[2]] == ["_dbt_secret_1", "kept"]
    assert SECRET not in str(ours)


def test_rows_and_threads(files: Path) -> None:
    profile: dict[str, Any] = {
        "path": "shop.duckdb",
        "attach": [{"path": "side.duckdb"}],
        "settings": {"TimeZone": "Asia/Kolkata"},
    }
    with closing(connection_to(**profile)) as connection:
        assert connection.rows("select name, 1.50 as n from side.named") == (["name", "n"], [("side", Decimal("1.50"))])
        connection.execute("create table written as select 1 as x")
        connection.execute("set TimeZone = 'UTC'")
        others = [connection.another() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            seen = list(pool.map(lambda other: other.rows(f"select x, ({ZONE}) from written")[1], others))
        assert seen == [[(1, "Asia/Kolkata")]] * 4, "as the profile says, not as another thread left it"
        for other in others:
            other.close()
        with pytest.raises(QueryError, match="nowhere") as failure:
            connection.rows("select * from nowhere")
        assert isinstance(failure.value.__cause__, duckdb.CatalogException)


@pytest.mark.parametrize("path", ["shop.duckdb", ":memory:"])
def test_read_only_leaves_every_file_as_it_is(files: Path, path: str) -> None:
    attach = [{"path": "side.duckdb", "alias": "s"}]
    with closing(connection_to(path=path, attach=attach, read_only=True)) as connection:
        assert connection.rows("select name from s.named")[1] == [("side",)]
        with pytest.raises(QueryError, match="read-only"):
            connection.execute("drop table s.named")
        if path != ":memory:":
            with pytest.raises(QueryError, match="read-only"):
                connection.execute("drop table named")
    with pytest.raises(VigilError) as absent:
        connection_to(path=path, attach=[{"path": "absent.duckdb"}], read_only=True)
    assert not (files / "absent.duckdb").exists()
    with closing(connection_to(path=path, attach=attach)) as connection:  # for which nothing may be left open
        connection.execute("drop table s.named")
    assert "does not exist" in str(absent.value)


def test_an_extension_is_loaded(tmp_path: Path) -> None:
    """What is installed is not downloaded: here it is no extension, and the attempt to load it says so."""
    options = {"extension_directory": str(tmp_path), "allow_unsigned_extensions": True}
    with closing(connection_to(config_options=options)) as connection:
        [(version,)] = connection.rows("select library_version from pragma_version()")[1]
        [(platform,)] = connection.rows("select platform from pragma_platform()")[1]
    folder = tmp_path / str(version) / str(platform)
    folder.mkdir(parents=True)
    for name in ("json", "excel"):
        (folder / f"{name}.duckdb_extension").write_bytes(b"no extension")
    connection_to(config_options=options, extensions=["json"]).close()  # which DuckDB already has in it
    profile: dict[str, Any] = {"config_options": options, "extensions": ["json", "excel"]}
    with pytest.raises(VigilError, match=r"excel\.duckdb_extension") as ours:
        connection_to(**profile)
    environment: Any = environments.create(dbt_credentials(profile))
    with pytest.raises(duckdb.Error) as dbts:
        environment.handle()
    assert str(ours.value) == f"There is no connection to target `dev`: {dbts.value}"


REFUSED: dict[str, dict[str, Any]] = {
    "plugins": {"plugins": [{"module": "excel", "config": {"token": SECRET}}]},
    "filesystems": {"filesystems": [{"fs": "s3", "secret": SECRET}]},
    "remote": {"remote": {"host": "h", "port": 1, "user": "u", "password": SECRET}},
    "motherduck_token": {"motherduck_token": SECRET},
    "MotherDuck": {"path": f"md:shop?motherduck_token={SECRET}"},
    "of MotherDuck": {"attach": [{"path": f"motherduck:shop?motherduck_token={SECRET}"}]},
    "use_credential_provider": {"use_credential_provider": SECRET},
    "root_path": {"root_path": SECRET},
    "database": {"path": "a.duckdb", "database": SECRET},
    "settings": {"settings": f"['{SECRET}']"},
    "schema": {"schema": None},
    "keep_open": {"keep_open": SECRET},
    "unknown": {"attach": [{"path": "a", "unknown": SECRET}]},
    "no `path`": {"attach": [{"alias": SECRET}]},
    "`attach` is not": {"attach": [SECRET]},
    "`type` twice": {"attach": [{"path": "a", "type": "t", "options": {"type": SECRET}}]},
    "`read_only` twice": {"attach": [{"path": "a", "read_only": True, "options": {"read_only": True}}]},
    "`encrypt` of the `options`": {"attach": [{"path": "a", "options": {"encrypt": "True"}}]},
    "extensions": {"extensions": [{"name": SECRET}]},
    "`secrets` has an entry without": {"secrets": [{"secret": SECRET}]},
    "persistent": {"secrets": [{"type": "s3", "persistent": "True", "secret": SECRET}]},
    "`scope` in `secrets`": {"secrets": [{"type": "s3", "scope": f"['{SECRET}']"}]},
    "backoff": {"retries": {"backoff": SECRET}},
}


@pytest.mark.parametrize(("named", "profile"), REFUSED.items(), ids=REFUSED)
def test_what_needs_dbt_is_refused(named: str, profile: dict[str, Any]) -> None:
    with pytest.raises(NotHonoured) as refusal:
        connection_to(**profile)
    assert named in str(refusal.value)
    assert SECRET not in "".join(traceback.format_exception(refusal.value))


def test_a_text_of_dbts_filters_is_its_value(files: Path) -> None:
    attach = [{"path": "side.duckdb", "read_only": "True"}]
    with closing(connection_to(attach=attach, keep_open="False", retries={"connect_attempts": "1"})) as connection:
        [(read_only,)] = connection.rows("select readonly from duckdb_databases() where database_name = 'side'")[1]
    assert read_only


SHOWN_NOWHERE: dict[str, dict[str, Any]] = {
    "no such type": {"secrets": [{"type": "nope", "secret": SECRET}]},
    "no such parameter": {"secrets": [{"type": "http", "secret": SECRET}]},
    "no boolean": {"secrets": [{"type": "http", "verify_ssl": SECRET}]},
    "no map": {"secrets": [{"type": "http", "extra_http_headers": f"map {{'a' {SECRET} }}"}]},
    "no syntax": {"secrets": [{"type": "http", "extra_http_headers": f"Bearer {SECRET.partition('-')[0]} {SECRET}"}]},
    "half a line": {"secrets": [{"type": "http", "extra_http_headers": f"map {{'a': '{'x' * 200}{SECRET}' 'b'}}"}]},
    "no syntax elsewhere": {"secrets": [{"type": "http", "bearer_token": SECRET, "not a key": SECRET}]},
    "no such setting": {"settings": {"my_token": SECRET}},
    "no such option": {"config_options": {"http_proxy_password": SECRET, "nope": 1}},
    "a path": {"attach": [{"path": f"/nowhere/password={SECRET}"}]},
    "an option": {
        "attach": [{"path": "/nowhere/x", "options": {"encryption_key": f"'{SECRET}", "block_size": SECRET}}]
    },
}


@pytest.mark.parametrize("profile", SHOWN_NOWHERE.values(), ids=SHOWN_NOWHERE)
def test_no_error_shows_a_secret(profile: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(VigilError, match=r"There is no connection to target `dev`: .*(Error|Exception)") as failure:
        connection_to(**profile)
    text = "".join(traceback.format_exception(failure.value)) + caplog.text
    assert SECRET not in text
    assert SECRET.partition("-")[0] not in text


HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("held", ["shop.duckdb", "side.duckdb"])
@pytest.mark.parametrize("read_only", [True, False])
def test_it_waits_for_a_locked_file(files: Path, held: str, read_only: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    profile: dict[str, Any] = {"path": "shop.duckdb", "attach": [{"path": "side.duckdb"}], "read_only": read_only}
    with pytest.raises(VigilError, match=rf"shop\.duckdb cannot be opened: IO Error: .*lock.*{held}"):
        connection_to(**profile)
    monkeypatch.setattr("dbt_vigil.record.sleep", lambda seconds: holder.communicate(""))
    with closing(connection_to(wait=60, **profile)) as connection:
        assert connection.rows("select name from side.named")[1] == [("side",)]


def test_it_tries_again_as_often_as_the_profile_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connecting, "sleep", pauses.append)
    connect, failures = duckdb.connect, [duckdb.IOException("once"), duckdb.IOException("twice")]

    def unsteady(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        if failures:
            raise failures.pop()
        return connect(*arguments, **options)

    monkeypatch.setattr(duckdb, "connect", unsteady)
    with pytest.raises(VigilError, match="twice"):
        connection_to()
    failures.append(duckdb.IOException("twice"))
    attempts = {"connect_attempts": 3, "query_attempts": 2, "retryable_exceptions": ["IOException", "CatalogException"]}
    with closing(connection_to(retries=attempts)) as connection:
        assert pauses == [1, 2]
        with pytest.raises(QueryError):
            connection.rows("select * from nowhere")
        assert pauses == [1, 2, 1]
        with pytest.raises(QueryError):
            connection.rows("no syntax")
        assert pauses == [1, 2, 1]


def test_dbt_is_not_imported(files: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from dbt_vigil.connecting import direct_connection
        from dbt_vigil.project import Project
        credentials = {"type": "duckdb", "path": "shop.duckdb", "secrets": [{"type": "http"}]}
        here = Path()
        print(direct_connection(Project(here, "p", here, "p", "t", credentials)).rows("select name from named"))
        print({"dbt", "dbt_common", "pyhive", "pyspark"} & set(sys.modules))
    """
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "(['name'], [('shop',)])\nset()\n"


def test_another_engine_is_refused() -> None:
    with pytest.raises(NotHonoured, match="`postgres`"):
        direct_connection(project_of({"type": "postgres"}))


SESSION = {"type": "spark", "method": "session", "host": "NA", "schema": "shop"}
SPARK_REFUSED: dict[str, dict[str, Any]] = {
    "http": {"method": "http", "token": SECRET},
    "odbc": {"method": "odbc", "token": SECRET},
    "use_ssl": {"method": "thrift", "use_ssl": True, "password": SECRET},
    "database": {"database": SECRET},
    "host": {"host": None, "password": SECRET},
    "proxy": {"proxy": SECRET},
}


@pytest.mark.parametrize(("named", "profile"), SPARK_REFUSED.items(), ids=SPARK_REFUSED)
def test_what_needs_dbt_is_refused_of_spark(named: str, profile: dict[str, Any]) -> None:
    with pytest.raises(NotHonoured) as refusal:
        direct_connection(project_of(SESSION | profile))
    assert named in str(refusal.value)
    assert SECRET not in str(refusal.value)


TYPES = """
    select cast(1.50 as decimal(9, 2)) as d, timestamp '2024-01-02 03:04:05.6' as t, true as b,
        date '2024-01-02' as day, cast(1 as bigint) as n, 1.5D as x, 'a' as s, cast(null as int) as nothing,
        array(1, 2) as a, 'x%s;' as p"""
STATE = {
    "select current_database() as db;": [("default",)],
    "set spark.vigil.own": [("spark.vigil.own", "7")],
}


def spark_answers(profile: dict[str, Any], sql: str) -> tuple[tuple[list[str], Any], tuple[list[str], Any]]:
    """The answers to a query by way of dbt-spark and directly."""
    from dbt.adapters.contracts.connection import Connection as DbtConnection

    credentials = {key: value for key, value in profile.items() if key not in ("type", "threads")}
    opened = SparkConnectionManager.open(
        DbtConnection("spark", "vigil", SparkCredentials.from_dict(credentials))  # type: ignore[arg-type]
    )
    cursor = opened.handle.cursor()
    cursor.execute(sql)
    dbts = [column[0] for column in cursor.description], [tuple(row) for row in cursor.fetchall()]
    with closing(direct_connection(project_of(profile))) as connection:
        return dbts, connection.rows(sql)


def judge_spark(profile: dict[str, Any], prefix: str = "") -> None:
    parameters = {f"{prefix}spark.vigil.own": "7", "spark.sql.ansi.enabled": "true"}
    profile = profile | {"server_side_parameters": parameters}
    dbts, ours = spark_answers(profile, TYPES)
    assert ours == dbts
    values = dict(zip(ours[0], ours[1][0], strict=True))
    assert (values["d"], values["b"], values["p"]) == (Decimal("1.50"), True, "x%s;")
    for query, rows in STATE.items():
        dbts, ours = spark_answers(profile, query)
        assert ours == dbts
        assert ours[1] == rows
    with closing(direct_connection(project_of(profile))) as connection:
        connection.execute("create temporary view shown as select 1 as x;")
        assert connection.rows("select * from shown") == (["x"], [(1,)])
        connection.execute("drop view shown")
        with pytest.raises(QueryError, match="TABLE_OR_VIEW_NOT_FOUND"):
            connection.rows("select * from nowhere")
        with pytest.raises(QueryError, match="no luck"):
            connection.rows("select raise_error('no luck') as x")
        with ThreadPoolExecutor(2) as pool:
            others = [connection.another() for _ in range(2)]
            assert list(pool.map(lambda other: other.rows("set spark.vigil.own")[1], others)) == [ours[1]] * 2


@pytest.mark.spark
def test_the_session_of_spark(spark: Spark) -> None:
    judge_spark(SESSION)
    dbts, ours = spark_answers(SESSION, "set spark.sql.ansi.enabled")
    assert ours == dbts == (["key", "value"], [("spark.sql.ansi.enabled", "false")])


@pytest.fixture(scope="module")
def thrift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThriftServer]:
    with thrift_server(tmp_path_factory.mktemp("thrift")) as server:
        yield server


@pytest.mark.spark
def test_the_thrift_server_of_spark(thrift: ThriftServer, tmp_path: Path) -> None:
    profile = thrift.profile(tmp_path)
    judge_spark(profile, "set:hiveconf:")  # Spark's server looks at no other parameter
    dbts, ours = spark_answers(profile, "set spark.sql.ansi.enabled")
    assert ours == dbts
    impatient = project_of(profile | {"query_timeout": 0, "poll_interval": 1})
    with closing(direct_connection(impatient)) as connection, pytest.raises(QueryError, match="timeout of 0 seconds"):
        # Spark's server answers a poll when the query is done, or after 5 s.
        connection.rows("select count(*) from range(1000000000000) where sqrt(id) < 0")


@pytest.mark.parametrize(("message", "pauses"), [("it is PENDING", [3, 3]), ("no", [])])
def test_a_spark_that_does_not_answer(message: str, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(connecting, "sleep", slept.append)

    def refuse(**options: Any) -> None:
        raise OSError(f"{message} {options['password']}")

    monkeypatch.setattr("pyhive.hive.connect", refuse)
    profile = SESSION | {"method": "thrift", "password": SECRET, "connect_retries": "2", "connect_timeout": 3}
    with pytest.raises(VigilError, match=f"target `dev`: failed to connect: OSError: {message}") as failure:
        direct_connection(project_of(profile))
    assert slept == pauses
    assert SECRET not in "".join(traceback.format_exception(failure.value))
