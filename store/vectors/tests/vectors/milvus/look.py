"""Looks at what Kubemate wrote, with Milvus' own client: `look.py http://127.0.0.1:PORT`."""

import sys

from pymilvus import MilvusClient

client = MilvusClient(uri=sys.argv[1])
names = client.list_collections()
assert "kubemate_v1_spaces" in names, names
[shelf] = [name for name in names if name.startswith("kubemate_v1_4_")]

fields = {field["name"]: field for field in client.describe_collection(shelf)["fields"]}
assert fields["key"]["is_primary"], fields["key"]
assert fields["tenant"].get("is_partition_key"), fields["tenant"]

[row] = client.query(shelf, filter='tenant == "default" and space == "vs_read-g0"', output_fields=["*"])
expected = {
    "tenant": "default", "space": "vs_read-g0", "point": "00000000-0000-0000-0000-000000000005", "file": "file-1",
    "version": 0, "ordinal": 0, "page": 7, "page_end": 0, "span_start": 40, "span_end": 49, "heading": [],
    "text": "第十二条 存款保险", "attributes": {"年度": 2024.0},
}
assert {name: row[name] for name in expected} == expected, row
assert len(row["dense"]) == 4, row["dense"]
assert client.query(shelf, filter='tenant == "other"', output_fields=["count(*)"])[0]["count(*)"] == 0
[space] = client.query("kubemate_v1_spaces", filter='tenant == "default"', output_fields=["text"])
assert '"embedder":"embedder@1"' in space["text"], space
