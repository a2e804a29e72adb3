"""Short words for settings: their labels, choices and units. A setting without an entry is shown by its own name."""

from __future__ import annotations

from ui.i18n import tr

LABELS = {
    "motion.strength": "Expression",
    "motion.look_at_camera": "Look at viewer",
    "motion.blink": "Blinking",
    "motion.relative": "Start from the portrait's own pose",
    "motion.auto_neutral": "Improve the neutral face while running",
    "motion.mirror": "Move like a mirror",
    "motion.region": "Follows",
    "motion.gains.brows": "Eyebrows",
    "motion.gains.lids": "Eyelids",
    "motion.gains.gaze": "Gaze",
    "motion.gains.mouth": "Lips",
    "motion.gains.jaw": "Jaw",
    "motion.gains.pitch": "Nod",
    "motion.gains.yaw": "Turn",
    "motion.gains.roll": "Tilt",
    "motion.gains.translation": "Shift",
    "motion.gains.zoom": "Approach",
    "motion.limits.yaw_deg": "Turn",
    "motion.limits.pitch_deg": "Nod",
    "motion.limits.roll_deg": "Tilt",
    "motion.limits.translation": "Shift",
    "motion.limits.zoom": "Approach",
    "motion.smoothing.rest_hz": "At rest",
    "motion.smoothing.quick": "In motion",
    "motion.idle.enabled": "Breathe and blink when nobody is seen",
    "motion.idle.hold_s": "Hold the pose",
    "motion.idle.ease_s": "Ease back in",
    "motion.idle.seed": "Variation",
    "camera.rate_hz": "Frame rate",
    "output.kind": "Portrait",
    "output.size": "Size",
    "output.framing": "Framing",
    "output.rate_hz": "Frame rate",
    "output.background": "Background",
    "output.background_color": "Colour",
    "output.background_image": "Picture",
    "output.mirror": "Mirror what goes out",
    "output.badge": "Label in the picture",
    "output.badge_text": "Text",
    "output.badge_corner": "Corner",
    "output.watermark": "Hidden mark",
    "output.credentials": "Sign recordings and snapshots",
    "output.virtual_camera": "Virtual camera",
    "output.record_as": "Record as",
    "output.take": "Keep the performance beside recordings",
    "output.encoder": "Encoded by",
    "stream.page": "Picture page for OBS",
    "stream.page_port": "Port",
    "stream.url": "Server",
    "stream.bitrate_kbps": "Bit rate",
    "motion_out.enabled": "Motion for avatars",
    "motion_out.protocol": "Protocol",
    "motion_out.host": "To",
    "motion_out.port": "Port",
    "voice.enabled": "Listen to the microphone",
    "voice.muted": "Mute",
    "voice.push_to_talk": "Push to talk",
    "voice.alone": "Camera off: voice alone",
    "voice.mouth": "Mouth by voice",
    "voice.strength": "Mouth opening",
    "voice.liveliness": "Liveliness",
    "voice.align": "Keep sound and lips together",
    "voice.offset_ms": "Extra delay",
}

CHOICES: dict[str, dict[str, str]] = {
    "output.record_as": {"mp4": "MP4, video", "webm": "WebM, transparent, unsigned", "gif": "GIF, up to 20 s",
                         "webp": "Animated WebP, up to 60 s"},
    "output.encoder": {"auto": "The graphics card, where it can", "processor": "The processor"},
    "motion_out.protocol": {"vmc": "VMC (OSC)", "vtube": "VTube Studio"},
    "motion.blink": {"performer": "As I blink", "automatic": "By itself", "open": "Eyes stay open"},
    "motion.region": {"all": "Everything", "expression": "Face only", "pose": "Head only", "mouth": "Mouth only",
                      "eyes": "Eyes only"},
    "output.kind": {"auto": "Photo or drawing?", "photo": "A photo or painting",
                    "drawn": "Drawn, as in anime"},
    "output.framing": {"head": "Head", "bust": "Head and shoulders", "full": "Whole picture"},
    "output.background": {"picture": "As in the portrait", "blur": "Blurred", "color": "One colour",
                          "green": "Green screen", "image": "A picture", "transparent": "Transparent"},
    "voice.mouth": {"auto": "When not seen", "always": "When I speak"},
    "output.badge_corner": {"top-left": "Top left", "top-right": "Top right", "bottom-left": "Bottom left",
                            "bottom-right": "Bottom right"},
}

UNITS = {"degrees": "°", "px": " px", "Hz": " Hz", "s": " s"}


def label(path: str) -> str:
    """Return the translated label of the setting at `path`."""
    name = path.rpartition(".")[2].replace("_", " ")
    return tr(LABELS.get(path, name[:1].upper() + name[1:]))


def choice(path: str, value: str) -> str:
    """Return the translated word for one choice of the setting at `path`."""
    return tr(CHOICES.get(path, {}).get(value, value))


def choices(path: str, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices to offer, in the order people read them; second names for the same thing are left out."""
    known = tuple(value for value in CHOICES.get(path, {}) if value in declared)
    return known or declared


def unit(path: str, name: str) -> str:
    """Return the translated suffix of the setting at `path`, whose unit is `name`."""
    if path.endswith("rate_hz"):
        return tr(" fps")
    return tr(UNITS[name]) if name in UNITS else f" {name}" if name else ""
