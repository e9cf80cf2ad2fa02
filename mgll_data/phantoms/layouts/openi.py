"""OpenI, the Indiana University collection: one XML report a study, with a frontal and a lateral PNG film."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from mgll_data.phantoms.chest import FINDINGS, draw_chest
from mgll_data.phantoms.chest_cases import mix
from mgll_data.phantoms.chest_reports import index_terms, report
from mgll_data.phantoms.writing import encode, expected, grey_bytes, place, stream, table, units

RATES = {name: 0.11 for name in FINDINGS if name != "covid"}
_HEAD = (
    ("docSource", "CXR"),
    ("licenseType", "open-access"),
    ("licenseURL", "http://creativecommons.org/publicdomain/zero/1.0/"),
    ("ccLicense", "cc0"),
    ("articleDate", "2013-08-01"),
    ("articleType", "XR"),
    ("publisher", "Phantom"),
    ("title", "Drawn chest films"),
    ("note", "Drawn phantoms, not patients."),
    ("specialty", "pulmonary diseases"),
    ("subset", "CXR"),
)


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films: studies of a PA and a lateral film, the last one of a PA film alone if `count` is odd.

    A copied study repeats films and report under another number; damage befalls a study's frontal film.
    """
    damages: Counter[str] = Counter()
    copies = 0
    projections: list[list[object]] = []
    films: list[bytes] = []
    sections, terms = report([], stream("openi", seed, 0)), ["normal"]
    (out / "ecgen-radiology").mkdir(parents=True)
    for unit in units((count + 1) // 2):
        views = 1 if 2 * unit.number + 1 == count else 2
        if not unit.is_copy:
            rng = stream("openi", seed, unit.number)
            findings = mix(rng, RATES, most=4)
            sections, terms = report(findings, rng), index_terms(findings)
            drawings = [
                draw_chest(stream(f"openi/{view}", seed, unit.number), findings, view=view)
                for view in ("pa", "lateral")
            ]
            films = [encode(grey_bytes(drawing.image), "png") for drawing in drawings]
        study = unit.number + 1
        names = [f"CXR{study}_IM-{study:04d}-{suffix}" for suffix in ("1001", "2001")][:views]
        for order, (name, data) in enumerate(zip(names, films, strict=False)):
            place(out / "NLMCXR_png" / f"{name}.png", data, unit.damage if order == 0 else None)
        if unit.damage:
            damages[unit.damage] += 1
        copies += views * unit.is_copy
        # As in the published list, the file names there lack the collection's prefix and end twice.
        sides = zip(names, ("Frontal", "Lateral"), strict=False)
        projections += [[study, f"{name.removeprefix('CXR')}.dcm.png", side] for name, side in sides]
        tree = ET.ElementTree(_citation(study, sections, terms, names))
        ET.indent(tree, "   ")
        tree.write(out / "ecgen-radiology" / f"{study}.xml", encoding="utf-8", xml_declaration=True)
    table(out / "indiana_projections.csv", "uid,filename,projection", projections)
    return expected(count, damages, copies)


def _citation(study: int, sections: dict[str, str], terms: list[str], films: list[str]) -> ET.Element:
    """The report of a study in the published structure."""
    root = ET.Element("eCitation")
    ET.SubElement(root, "meta", type="rr")
    ET.SubElement(root, "uId", id=f"CXR{study}")
    ET.SubElement(root, "pmcId", id=str(study))
    ET.SubElement(root, "IUXRId", id=str(study))
    for tag, text in _HEAD:
        ET.SubElement(root, tag).text = text
    citation = ET.SubElement(root, "MedlineCitation", Owner="Phantom", Status="supplied by publisher")
    article = ET.SubElement(citation, "Article", PubModel="Electronic")
    ET.SubElement(article, "ArticleTitle").text = "Drawn chest films"
    abstract = ET.SubElement(article, "Abstract")
    for label, text in sections.items():
        ET.SubElement(abstract, "AbstractText", Label=label).text = text or None
    ET.SubElement(article, "Language").text = "eng"
    mesh = ET.SubElement(root, "MeSH")
    for term in terms:
        ET.SubElement(mesh, "major").text = term
    caption = "Xray Chest PA and Lateral" if len(films) == 2 else "Xray Chest PA"
    for order, film in enumerate(films, 1):
        image = ET.SubElement(root, "parentImage", id=film)
        ET.SubElement(image, "figureId").text = f"F{order}"
        ET.SubElement(image, "caption").text = caption
        panel = ET.SubElement(image, "panel", type="single")
        ET.SubElement(panel, "url").text = f"/phantoms/{film}.jpg"
        ET.SubElement(panel, "imgModality").text = "7"
    return root
