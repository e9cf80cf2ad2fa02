"""`croissant.json`: the dataset in the Croissant 1.0 vocabulary of ML Commons."""

from __future__ import annotations

from typing import Any

from mgll_data.manifest import Manifest

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(manifest: Manifest) -> dict[str, Any]:
    """The content of the file: every shard as a FileObject with its sha256, and the members of a tar as a FileSet."""
    shards = [entry for split in manifest.splits for entry in manifest.shards(split)]
    objects: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": entry["file"],
            "name": entry["file"],
            "contentUrl": entry["file"],
            "contentSize": f"{entry['bytes']} B",
            "encodingFormat": "application/x-tar",
            "sha256": entry["sha256"],
        }
        for entry in shards
    ]
    objects.append(
        {
            "@type": "cr:FileSet",
            "@id": "samples",
            "name": "samples",
            "description": "The JSON member of every sample",
            "containedIn": [{"@id": entry["file"]} for entry in shards],
            "encodingFormat": "application/json",
            "includes": "*.json",
        }
    )
    fields = {
        "uid": ("sc:Text", "Sample id"),
        "source": ("sc:Text", "Source of the image"),
        "split": ("sc:Text", "train, val or test"),
        "group": ("sc:Text", "What never straddles a split"),
    }
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": f"Multi-granular image-text dataset ({manifest.modality}), {manifest.id}",
        "version": manifest.version,
        "license": sorted({source["licence"] for source in manifest.sources.values()}),
        "url": sorted({source["url"] for source in manifest.sources.values()})[0],
        "citeAs": "\n\n".join(source["cite"].strip() for source in manifest.sources.values()),
        "distribution": objects,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "sample",
                "name": "sample",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"sample/{name}",
                        "name": name,
                        "description": description,
                        "dataType": kind,
                        "source": {"fileSet": {"@id": "samples"}, "extract": {"jsonPath": f"$.{name}"}},
                    }
                    for name, (kind, description) in fields.items()
                ],
            }
        ],
    }
