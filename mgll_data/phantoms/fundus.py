"""Drawn colour fundus photographs with known findings: `draw_fundus` and the list of findings that it can draw.

These are phantoms: they stand for nobody. They show each finding in kind and place, larger and plainer than life, so
that a label can be checked by eye and learned by a small network.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from mgll_data.phantoms import fundus_diabetic as diabetic
from mgll_data.phantoms import fundus_disc as disc
from mgll_data.phantoms import fundus_macula as macula
from mgll_data.phantoms import fundus_media as media
from mgll_data.phantoms import fundus_retina as retina
from mgll_data.phantoms.fundus_anatomy import Build, build_eye, draw_disc, draw_vessels
from mgll_data.phantoms.fundus_eye import Eye

Laterality = Literal["left", "right"]
Painter = Callable[[Eye, np.random.Generator, float], None]

# Findings that are part of the anatomy itself, see `_build`.
BUILT = (
    "disc_cupping",
    "disc_pallor",
    "tessellation",
    "tortuous_vessels",
    "swollen_veins",
    "arterial_narrowing",
    "tilted_disc",
)
# Painters in the order of the layers, deepest first: choroid, retina under the vessels, vessels, then what lies before.
UNDER_VESSELS: dict[str, Painter] = {
    "retinitis_pigmentosa": retina.retinitis_pigmentosa,
    "central_artery_occlusion": retina.central_artery_occlusion,
    "branch_artery_occlusion": retina.branch_artery_occlusion,
    "choroidal_folds": retina.choroidal_folds,
    "coloboma": disc.coloboma,
    "geographic_atrophy": macula.geographic_atrophy,
    "patchy_atrophy": disc.patchy_atrophy,
    "peripapillary_atrophy": disc.peripapillary_atrophy,
    "myopic_crescent": disc.myopic_crescent,
    "choroidal_rupture": retina.choroidal_rupture,
    "chorioretinitis": retina.chorioretinitis,
    "laser_scars": diabetic.laser_scars,
    "pigment_changes": macula.pigment_changes,
    "drusen": macula.drusen,
    "hemorrhagic_pigment_detachment": macula.hemorrhagic_pigment_detachment,
    "choroidal_neovascularization": macula.choroidal_neovascularization,
    "macular_scar": macula.macular_scar,
    "central_serous": macula.central_serous,
}
OVER_VESSELS: dict[str, Painter] = {
    "cystoid_edema": macula.cystoid_edema,
    "macular_hole": macula.macular_hole,
    "parafoveal_telangiectasia": macula.parafoveal_telangiectasia,
    "vein_sheathing": diabetic.vein_sheathing,
    "venous_beading": diabetic.venous_beading,
    "macular_exudates": diabetic.macular_exudates,
    "far_exudates": diabetic.far_exudates,
    "retinitis": retina.retinitis,
    "cotton_wool_spots": diabetic.cotton_wool_spots,
    "microaneurysms": diabetic.microaneurysms,
    "blot_hemorrhages": diabetic.blot_hemorrhages,
    "flame_hemorrhages": diabetic.flame_hemorrhages,
    "branch_vein_occlusion": retina.branch_vein_occlusion,
    "central_vein_occlusion": retina.central_vein_occlusion,
    "microvascular_abnormalities": diabetic.microvascular_abnormalities,
    "disc_edema": disc.disc_edema,
    "ischemic_neuropathy": disc.ischemic_neuropathy,
    "optociliary_shunt": disc.optociliary_shunt,
    "myelinated_fibers": disc.myelinated_fibers,
    "epiretinal_membrane": macula.epiretinal_membrane,
    "retinal_traction": retina.retinal_traction,
    "disc_neovascularization": diabetic.disc_neovascularization,
    "neovascularization_elsewhere": diabetic.neovascularization_elsewhere,
    "preretinal_hemorrhage": diabetic.preretinal_hemorrhage,
    "asteroid_hyalosis": media.asteroid_hyalosis,
    "vitreous_hemorrhage": diabetic.vitreous_hemorrhage,
    "cataract": media.cataract,
    "media_haze": media.media_haze,
    "poor_quality": media.poor_quality,
    "lens_dust": media.lens_dust,
}
# What makes retinopathy proliferative.
ACTIVE = ("disc_neovascularization", "neovascularization_elsewhere", "preretinal_hemorrhage", "vitreous_hemorrhage")
FINDINGS = (*BUILT, *UNDER_VESSELS, *OVER_VESSELS)


def draw_fundus(
    rng: np.random.Generator,
    findings: Mapping[str, float],
    *,
    side: int = 512,
    laterality: Laterality,
    pigment: float | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw one photograph, uint8 (side, side, 3) RGB.

    `findings` maps names of `FINDINGS` to a severity in (0, 1]. `pigment` in 0..1 is the darkness of the eye's pigment
    (random if None); both eyes of a person share it. One number is drawn from `rng`; each finding then has a random
    stream of its own, so that adding one leaves the eye and the other findings as they were.
    Raises ValueError for an unknown finding or a severity outside (0, 1].
    """
    for name, severity in findings.items():
        if name not in FINDINGS or not 0 < severity <= 1:
            raise ValueError(
                f"finding {name!r} with severity {severity}: expected one of FINDINGS and 0 < severity <= 1"
            )
    seed = int(rng.integers(2**63))

    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng((seed, zlib.crc32(name.encode())))

    build = _build(stream("build"), findings)
    body = stream("eye")
    own_pigment = float(body.random())
    eye = build_eye(body, build, side=side, pigment=own_pigment if pigment is None else pigment)
    for name, painter in UNDER_VESSELS.items():
        if name in findings:
            painter(eye, stream(name), findings[name])
    draw_disc(stream("disc"), eye, build)
    draw_vessels(eye)
    for name, painter in OVER_VESSELS.items():
        if name in findings:
            painter(eye, stream(name), findings[name])
    image = _expose(stream("camera"), eye)
    return np.asarray(cv2.flip(image, 1), np.uint8) if laterality == "left" else image


def _build(rng: np.random.Generator, findings: Mapping[str, float]) -> Build:
    healthy_ratio, tilt_angle = float(rng.uniform(0.22, 0.40)), float(rng.uniform(20, 50) * rng.choice([-1, 1]))
    cupping = findings.get("disc_cupping", 0.0)
    return Build(
        cup_to_disc=0.70 + 0.18 * cupping if cupping else healthy_ratio,
        pallor=findings.get("disc_pallor", 0.0),
        tessellation=0.4 + 0.6 * findings["tessellation"] if "tessellation" in findings else 0.0,
        tortuosity=findings.get("tortuous_vessels", 0.0),
        venous_swelling=findings.get("swollen_veins", 0.0),
        arterial_narrowing=findings.get("arterial_narrowing", 0.0),
        tilt=findings.get("tilted_disc", 0.0),
        tilt_angle=tilt_angle if "tilted_disc" in findings else 0.0,
    )


def _expose(rng: np.random.Generator, eye: Eye) -> npt.NDArray[np.uint8]:
    """Film grain, the round field of view (in some cameras cut above and below), and eight bits in steps of four.

    The grain hides the steps, and a PNG file is written a third faster for them.
    """
    side = eye.side
    grain = np.frombuffer(rng.bytes(((side + 1) // 2) ** 2), np.uint8).reshape(((side + 1) // 2,) * 2)
    smooth = cv2.resize(grain, (side, side), interpolation=cv2.INTER_LINEAR)
    offset = (smooth.astype(np.float32) - 127.5) * np.float32(3.5 / 127.5)
    field = eye.blank()
    eye.dot(field, eye.centre, eye.radius)
    field &= 0xFC
    if rng.random() < 0.3:
        cut = int(rng.uniform(0.03, 0.07) * side)
        field[:cut] = field[side - cut :] = 0
    bands = []
    for plane in eye.planes:
        plane += offset
        np.maximum(plane, 0, out=plane)
        bands.append(cv2.bitwise_and(cv2.convertScaleAbs(plane), field))
    return np.asarray(cv2.merge(bands), np.uint8)


def retinopathy(rng: np.random.Generator, grade: int) -> dict[str, float]:
    """Findings that make up a grade of the International Clinical Diabetic Retinopathy scale (2003), exudates left out.

    0 none; 1 microaneurysms only; 2 more than these, less than severe; 3 hemorrhages in all four quadrants, venous
    beading, IRMA; 4 new vessels, or preretinal or vitreous hemorrhage. Raises ValueError for another grade.
    """
    low, high = (float(v) for v in rng.uniform((0.2, 0.6), (0.6, 1.0)))
    if grade == 0:
        return {}
    if grade == 1:
        return {"microaneurysms": low}
    found = {"microaneurysms": high}
    if grade == 2:
        found["blot_hemorrhages"] = float(rng.uniform(0.08, 0.16))
        if rng.random() < 0.4:
            found["cotton_wool_spots"] = low
        return found
    if grade == 3:
        found |= {"blot_hemorrhages": high, "venous_beading": high, "microvascular_abnormalities": high}
        if rng.random() < 0.5:
            found["cotton_wool_spots"] = low
        return found
    if grade == 4:
        found["blot_hemorrhages"] = float(rng.uniform(0.08, 0.3))
        chosen = rng.choice(len(ACTIVE), size=2, replace=False, p=(0.3, 0.35, 0.25, 0.1))
        return found | {ACTIVE[i]: high for i in chosen}
    raise ValueError(f"retinopathy grade {grade}: expected 0 to 4")
