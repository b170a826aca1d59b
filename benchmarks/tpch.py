"""The data of the benchmarks: TPC-H, made once by `tpchgen-cli` in `.benchmarks`, and DuckDB files of it.

Run it as `python -m benchmarks.tpch 10` to make scale factor 10 ahead of time. `clean` has native tables, `nulls` the
same with 0.1% nulls at random in every column of lineitem, and `parquet` views over the files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

FOLDER = Path(__file__).parent.parent / ".benchmarks"
TABLES = ("lineitem", "orders", "part", "supplier", "partsupp")
KINDS = ("clean", "nulls", "parquet")
# Every child runs from compiled bytecode.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def environment(name: str, *requirements: str) -> Path:
    """The folder of programs of a virtual environment with these packages, which is made if it is not there yet."""
    folder = FOLDER / "environments" / name
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = str(Path(sys.executable).parent / "uv")
        python = ["--python", str(folder / "bin" / "python")]
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", *python, *requirements], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def parquet(scale: int) -> Path:
    """The folder with a parquet file for each table."""
    folder = FOLDER / f"sf{scale}" / "parquet"
    if not folder.exists():
        program = environment("tpchgen", "tpchgen-cli==4.0.0") / "tpchgen-cli"
        unfinished = folder.with_name("unfinished")
        where = ["--scale-factor", str(scale), "--output-dir", str(unfinished)]
        subprocess.run([program, "parquet", "--quiet", "--overwrite", *where, "--tables", ",".join(TABLES)], check=True)
        unfinished.rename(folder)
    return folder


def database(scale: int, kind: str) -> Path:
    """A DuckDB file with the tables of one of `KINDS`."""
    path = FOLDER / f"sf{scale}" / f"{kind}.duckdb"
    if not path.exists():
        files = parquet(scale)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        with duckdb.connect(str(unfinished)) as connection:
            for table in TABLES:
                rows = f"select * from '{files / table}.parquet'"
                if kind == "nulls" and table == "lineitem":
                    rows = with_nulls(connection, files / f"{table}.parquet")
                connection.execute(f"create {'view' if kind == 'parquet' else 'table'} {table} as {rows}")
        unfinished.rename(path)
    return path


def with_nulls(connection: duckdb.DuckDBPyConnection, file: Path) -> str:
    """The rows of a file, with null for one value in a thousand of each column: the same ones every time."""
    columns = ", ".join(
        f"if(hash(file_row_number, '{name}') % 1000 = 0, null, {name}) as {name}"
        for name, *_ in connection.execute(f"describe select * from '{file}'").fetchall()
    )
    return f"select {columns} from read_parquet('{file}', file_row_number = true)"


if __name__ == "__main__":
    for kind in KINDS:
        database(int(sys.argv[1]) if len(sys.argv) > 1 else 10, kind)
