"""Each line of standard input is an XML document as a JSON text; what Python's parser reads of it, as a line of JSON."""

import json
import sys
import xml.etree.ElementTree as ElementTree


def read(node):
    attributes = dict(node.attrib)
    return {"attributes": attributes, "text": node.text or "", "children": [read(child) for child in node]}


for line in sys.stdin:
    print(json.dumps(read(ElementTree.fromstring(json.loads(line)))))
