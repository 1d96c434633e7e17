"""The real binary on a folder of its own, asked through its API."""

import http.client
import json
import os
import socket
import subprocess
import time
import uuid

START = 60  # seconds until it is ready
INDEXING = 3600  # seconds until everything is searchable


class Server:
    def __init__(self, binary, folder, embedder, cache):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.key = uuid.uuid4().hex
        config = f"""
[server]
listen = "127.0.0.1:{self.port}"
[store]
data_dir = "{folder}/data"
[auth]
admin_key = {{ env = "KUBEMATE_ADMIN_KEY" }}
[corpus]
embedder = "{embedder}"
[log]
level = "warn"
"""
        (folder / "kubemate.toml").write_text(config)
        environment = {**os.environ, "KUBEMATE_ADMIN_KEY": self.key, "KUBEMATE_CACHE": str(cache)}
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            [binary, "serve", "--config", str(folder / "kubemate.toml")], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.connection = None
        self.wait_until_ready(folder)

    def wait_until_ready(self, folder):
        begun = time.monotonic()
        while True:
            try:
                if self.ask("GET", "/readyz", raw=True)[0] == 200:
                    return
            except OSError:
                self.connection = None
            if self.process.poll() is not None or time.monotonic() - begun > START:
                raise SystemExit(f"the server did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def ask(self, method, path, body=None, headers=None, raw=False):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers = {"content-type": "application/json"}
        headers = {"authorization": f"Bearer {self.key}", **(headers or {})}
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            data = response.read()
        except (http.client.HTTPException, OSError):
            self.connection = None
            raise
        if raw:
            return response.status, data
        if response.status != 200:
            raise SystemExit(f"{method} {path} answered {response.status}: {data[:500]!r}")
        return json.loads(data)

    def upload(self, filename, text):
        border = uuid.uuid4().hex
        body = (f'--{border}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
                f'--{border}\r\ncontent-disposition: form-data; name="file"; filename="{filename}"\r\n'
                f"content-type: text/plain\r\n\r\n{text}\r\n--{border}--\r\n").encode()
        return self.ask("POST", "/v1/files", body, {"content-type": f"multipart/form-data; boundary={border}"})["id"]

    def store(self, name, embedder, files, chunking):
        """A knowledge base of these files, once all are searchable."""
        store = self.ask("POST", "/v1/vector_stores", {"name": name, "embedding_model": embedder})["id"]
        for at in range(0, len(files), 500):
            batch = {"file_ids": files[at:at + 500], "chunking_strategy": chunking}
            self.ask("POST", f"/v1/vector_stores/{store}/file_batches", batch)
        begun = time.monotonic()
        while True:
            counts = self.ask("GET", f"/v1/vector_stores/{store}")["file_counts"]
            if counts["failed"]:
                raise SystemExit(f"{name}: {counts['failed']} files could not be indexed")
            if counts["completed"] == len(files):
                return store
            if time.monotonic() - begun > INDEXING:
                raise SystemExit(f"{name}: not searchable after {INDEXING} s: {counts}")
            time.sleep(0.2)

    def search(self, store, question, options):
        """The files found, best first, each once."""
        request = {"query": question, "max_num_results": 30, "ranking_options": options}
        found = self.ask("POST", f"/v1/vector_stores/{store}/search", request)["data"]
        return list(dict.fromkeys(hit["file_id"] for hit in found))

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
