"""Disorders of the macula. Painters have the form `painter(eye, rng, severity)`, see `fundus_diabetic`."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.fundus_diabetic import BLOOD
from mgll_data.phantoms.fundus_eye import Eye, Point, towards, wander


def drusen(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Round soft yellow deposits, many and large with severity, over the macula and not beyond the arcades."""
    mask = eye.blank()
    for at in eye.scatter(rng, 34 + round(40 * severity), around=eye.fovea, outer=92):
        eye.dot(mask, at, float(rng.uniform(3.2, 5.0 + 2.5 * severity)))
    eye.tint(eye.soften(mask, 1.1), (246.0, 208.0, 124.0), 0.82)


def geographic_atrophy(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A sharply edged pale area at the macula, with the large choroidal vessels bare in it."""
    mask, vessels = eye.blank(), eye.blank()
    eye.blob(rng, mask, eye.fovea, 38 + 16 * severity, 0.16)
    for angle in rng.uniform(-np.pi, np.pi, 6):
        path = wander(rng, eye.polar(eye.fovea, 55, float(angle)), float(angle) + np.pi, 24, bend=0.01, noise=0.05)
        eye.line(vessels, path, 3.2)
    eye.tint(eye.soften(mask, 0.8), (248.0, 212.0, 156.0), 0.92)
    eye.darken(cv2.bitwise_and(eye.soften(vessels, 0.8), mask), (0.90, 0.62, 0.46))


def choroidal_neovascularization(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Wet macular degeneration: a grey-green membrane with blood under the retina around it."""
    membrane, blood = eye.blank(), eye.blank()
    at = eye.polar(eye.fovea, float(rng.uniform(0, 14)), float(rng.uniform(-np.pi, np.pi)))
    turn = float(rng.uniform(-np.pi, np.pi))
    for delta in (-0.9, 0.0, 0.9):
        eye.blob(rng, blood, eye.polar(at, 36, turn + delta), 26 + 10 * severity, 0.25)
    eye.blob(rng, membrane, at, 30 + 8 * severity, 0.2)
    eye.darken(eye.soften(blood, 2.0), BLOOD, 0.95)
    eye.tint(eye.soften(membrane, 2.0), (150.0, 142.0, 104.0), 0.85)


def macular_hole(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A round punched-out dark red defect at the fovea within a grey cuff of lifted retina."""
    cuff, hole = eye.blank(), eye.blank()
    radius = 13 + 6 * severity
    eye.dot(cuff, eye.fovea, radius * 2.0)
    eye.dot(hole, eye.fovea, radius)
    eye.tint(eye.soften(cuff, 1.8), (216.0, 168.0, 130.0), 0.75)
    eye.tint(eye.soften(hole, 0.7), (126.0, 22.0, 14.0), 0.95)


def epiretinal_membrane(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A glistening grey sheet over the macula with bright wrinkles that converge on its centre of contraction."""
    sheet, folds = eye.blank(), eye.blank()
    at = eye.polar(eye.fovea, float(rng.uniform(0, 24)), float(rng.uniform(-np.pi, np.pi)))
    eye.blob(rng, sheet, at, 78 + 14 * severity, 0.22)
    for angle in np.linspace(-np.pi, np.pi, 19)[:-1] + rng.uniform(-0.1, 0.1, 18):
        start = eye.polar(at, float(rng.uniform(14, 24)), float(angle))
        path = wander(rng, start, float(angle), round(10 + 4 * severity), bend=0.0, noise=0.07)
        eye.line(folds, path, float(rng.uniform(1.6, 2.8)))
    eye.tint(eye.soften(sheet, 7), (206.0, 190.0, 176.0), 0.50)
    eye.tint(eye.soften(folds, 0.7), (250.0, 244.0, 236.0), 0.80)


def central_serous(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A blister of clear fluid: a round dome, darker and greyer within, with a bright reflex along its edge."""
    dome, rim = eye.blank(), eye.blank()
    at = eye.polar(eye.fovea, float(rng.uniform(0, 16)), float(rng.uniform(-np.pi, np.pi)))
    radius = 52 + 16 * severity
    eye.ellipse(dome, at, (radius, radius * 0.9))
    eye.ellipse(rim, at, (radius + 3, radius * 0.9 + 3))
    inside = eye.blank()
    eye.ellipse(inside, at, (radius - 3, radius * 0.9 - 3))
    eye.tint(eye.soften(dome, 3), (134.0, 86.0, 54.0), 0.62)
    eye.tint(eye.soften(cv2.subtract(rim, inside), 1.4), (250.0, 222.0, 170.0), 0.72)


def cystoid_edema(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Cysts of fluid arranged around the fovea like the petals of a flower."""
    petals, gaps = eye.blank(), eye.blank()
    turn = float(rng.uniform(0, np.pi))
    length = 17 + 4 * severity
    eye.dot(gaps, eye.fovea, 2.6 * length)
    for angle in turn + np.arange(7) * 2 * np.pi / 7:
        at = eye.polar(eye.fovea, length * 1.35, float(angle))
        eye.ellipse(petals, at, (length, length * 0.5), float(np.rad2deg(angle)))
    eye.darken(eye.soften(gaps, 3), (0.60, 0.52, 0.52))
    eye.tint(eye.soften(petals, 1.2), (248.0, 190.0, 96.0), 0.85)


def macular_scar(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A white fibrous patch with clumps of black pigment in it and around it."""
    scar, pigment = eye.blank(), eye.blank()
    eye.blob(rng, scar, eye.fovea, 32 + 12 * severity, 0.28)
    for at in eye.scatter(rng, 16, around=eye.fovea, inner=16, outer=50):
        eye.blob(rng, pigment, at, float(rng.uniform(4, 9)), 0.35)
    eye.tint(eye.soften(scar, 1.2), (250.0, 244.0, 224.0), 0.94)
    eye.tint(eye.soften(pigment, 0.8), (34.0, 22.0, 18.0), 0.92)


def parafoveal_telangiectasia(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Dilated capillaries in a greyed ring around the fovea, most on the temporal side, with small crystals."""
    grey, vessels, crystals = eye.blank(), eye.blank(), eye.blank()
    temporal = towards(eye.disc, eye.fovea)
    eye.dot(grey, eye.polar(eye.fovea, 16, temporal), 46)
    for at in eye.scatter(rng, 16, around=eye.fovea, inner=18, outer=46):
        path = wander(rng, at, float(rng.uniform(-np.pi, np.pi)), 9, bend=0.3, noise=0.3, step=3.2)
        eye.line(vessels, path, 2.4)
    for at in eye.scatter(rng, 10 + round(6 * severity), around=eye.fovea, inner=14, outer=50):
        eye.dot(crystals, at, 1.9)
    eye.tint(eye.soften(grey, 8), (186.0, 164.0, 142.0), 0.72)
    eye.darken(vessels, (0.62, 0.18, 0.20))
    eye.tint(crystals, (255.0, 252.0, 220.0), 0.95)


def pigment_changes(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Mottling of the retinal pigment epithelium: brown-black clumps between small pale spots."""
    dark, pale = eye.blank(), eye.blank()
    for at in eye.scatter(rng, 34 + round(20 * severity), around=eye.fovea, outer=80):
        eye.blob(rng, dark, at, float(rng.uniform(3.0, 6.5)), 0.35)
    for at in eye.scatter(rng, 22, around=eye.fovea, outer=80):
        eye.blob(rng, pale, at, float(rng.uniform(4, 8)), 0.3)
    eye.tint(eye.soften(pale, 1.5), (240.0, 190.0, 130.0), 0.7)
    eye.tint(eye.soften(dark, 0.8), (46.0, 28.0, 22.0), 0.85)


def hemorrhagic_pigment_detachment(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A dome of blood under the pigment epithelium: nearly black, smooth and sharply edged, with an orange rim."""
    rim, dome = eye.blank(), eye.blank()
    at: Point = eye.polar(eye.fovea, float(rng.uniform(5, 30)), float(rng.uniform(-np.pi, np.pi)))
    axes = (40 + 14 * severity, 34 + 12 * severity)
    angle = float(rng.uniform(0, 180))
    eye.ellipse(rim, at, (axes[0] + 6, axes[1] + 6), angle)
    eye.ellipse(dome, at, axes, angle)
    eye.tint(eye.soften(rim, 1.0), (226.0, 96.0, 40.0), 0.85)
    eye.tint(eye.soften(dome, 1.2), (58.0, 26.0, 28.0), 0.95)
