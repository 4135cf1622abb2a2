"""A store for the lab in Python over SQLite: lines of JSON on standard input and output, as docs/LAB.md has them.

    davenport lab check --store "python3 sqlite_store.py"
"""
import base64
import json
import os
import sqlite3
import sys

HELLO = {
    "name": "python-sqlite3",
    "version": sqlite3.sqlite_version,
    "capabilities": {
        "transactions": True,
        "orderedScans": True,
        "concurrentWriters": False,
        "multipleProcesses": False,
        "fileSystem": False,
    },
    # The log's shared index is made anew by the first process that opens the database.
    "rebuiltFiles": ["-shm"],
}


def text(value):
    return base64.b64encode(value).decode()


class Store:
    def __init__(self, folder, settings):
        self.db = sqlite3.connect(os.path.join(folder, "store.db"), isolation_level=None)
        self.db.execute("PRAGMA journal_mode = " + settings.get("journal_mode", "WAL"))
        self.db.execute("PRAGMA synchronous = " + settings.get("synchronous", "FULL"))
        self.db.execute("CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")

    def commit(self, request):
        self.db.execute("BEGIN IMMEDIATE")
        for kind, key, *value in request["ops"]:
            if kind == "put":
                row = (base64.b64decode(key), base64.b64decode(value[0]))
                self.db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", row)
            else:
                self.db.execute("DELETE FROM entries WHERE key = ?", (base64.b64decode(key),))
        self.db.execute("COMMIT")
        return {}

    def get(self, request):
        row = self.db.execute("SELECT value FROM entries WHERE key = ?", (base64.b64decode(request["key"]),)).fetchone()
        return {"value": None if row is None else text(row[0])}

    def scan(self, request):
        range = (base64.b64decode(request.get("start", "")), request.get("limit", -1))
        rows = self.db.execute("SELECT key, value FROM entries WHERE key >= ? ORDER BY key LIMIT ?", range)
        return {"entries": [[text(key), text(value)] for key, value in rows]}

    def close(self, request):
        self.db.close()
        return {}


store = None
for line in sys.stdin:
    request = json.loads(line)
    try:
        if request["do"] == "hello":
            answer = HELLO
        elif request["do"] == "open":
            store = Store(request["folder"], request["settings"])
            answer = {}
        else:
            answer = getattr(store, request["do"])(request)
        answer = {"id": request["id"], "ok": True, **answer}
    except Exception as error:
        answer = {"id": request["id"], "error": str(error) or type(error).__name__}
    print(json.dumps(answer), flush=True)
