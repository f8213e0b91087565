//! The words that devices are described by.
//!
//! The position in a list is the entry's number in its stream key. Streams live for one delivery batch, so the order may
//! change from one version to the next. Tokens of graphics cards and plugins are tried in order; the first match decides.

/// Part of a plugin's name, class. Browsers of today name five PDF viewers or none; the others are of the past.
pub(super) const PLUGINS: &[(&str, &str)] = &[
    ("PDF", "PDF viewer"),
    ("Acrobat", "PDF viewer"),
    ("Flash", "Flash"),
    ("Silverlight", "Silverlight"),
    ("Java", "Java"),
    ("QuickTime", "QuickTime"),
    ("Windows Media", "Windows Media"),
    ("RealPlayer", "RealPlayer"),
    ("VLC", "VLC"),
    ("Unity", "Unity"),
    ("Widevine", "Widevine"),
    ("Native Client", "Native Client"),
    ("CryptoPro", "CryptoPro"),
];

/// Part of a renderer's name, family. What draws without a card, or for another machine, comes first.
pub(super) const GPUS: &[(&str, &str)] = &[
    ("SwiftShader", "software"),
    ("llvmpipe", "software"),
    ("softpipe", "software"),
    ("Mesa OffScreen", "software"),
    ("Basic Render", "software"),
    ("Software", "software"),
    ("VMware", "virtual"),
    ("SVGA3D", "virtual"),
    ("virgl", "virtual"),
    ("VirtualBox", "virtual"),
    ("Parallels", "virtual"),
    ("Quadro", "NVIDIA professional"),
    ("RTX A", "NVIDIA professional"),
    ("Tesla", "NVIDIA professional"),
    ("Tegra", "NVIDIA Tegra"),
    ("GeForce", "NVIDIA GeForce"),
    ("NVIDIA", "NVIDIA other"),
    ("nouveau", "NVIDIA other"),
    ("Radeon Pro", "AMD professional"),
    ("FirePro", "AMD professional"),
    ("Radeon", "AMD Radeon"),
    ("AMD", "AMD other"),
    (" Arc", "Intel Arc"),
    ("Iris", "Intel Iris"),
    ("UHD Graphics", "Intel UHD"),
    ("HD Graphics", "Intel HD"),
    ("GMA", "Intel GMA"),
    ("Intel", "Intel other"),
    ("Apple M", "Apple M"),
    ("Apple A", "Apple A"),
    ("Apple", "Apple"),
    ("Adreno (TM) 8", "Adreno 8"),
    ("Adreno (TM) 7", "Adreno 7"),
    ("Adreno (TM) 6", "Adreno 6"),
    ("Adreno (TM) 5", "Adreno 5"),
    ("Adreno", "Adreno other"),
    ("Immortalis", "Immortalis"),
    ("Mali-G", "Mali-G"),
    ("Mali", "Mali other"),
    ("PowerVR", "PowerVR"),
    ("Xclipse", "Xclipse"),
    ("Maleoon", "Maleoon"),
    ("VideoCore", "VideoCore"),
    ("Vivante", "Vivante"),
];

/// ISO 639-1, with three that Kazakhstan's sites meet and that have no code of two letters.
pub(super) const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu \
    cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii \
    ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt \
    my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq \
    sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu fil kaa sah";

/// Microphones, loudspeakers, cameras: none to four and more.
pub(super) const KINDS: [[&str; 5]; 3] = [
    ["audio_input 0", "audio_input 1", "audio_input 2", "audio_input 3", "audio_input 4+"],
    ["audio_output 0", "audio_output 1", "audio_output 2", "audio_output 3", "audio_output 4+"],
    ["video_input 0", "video_input 1", "video_input 2", "video_input 3", "video_input 4+"],
];

/// Long and short edge in CSS pixels, class. Sizes that many devices have come first; the rest falls by its long edge alone,
/// under the bound that stands beside a short edge of 0.
pub(super) const SIZES: &[(u32, u32, &str)] = &[
    (568, 320, "568x320"),
    (640, 360, "640x360"),
    (667, 375, "667x375"),
    (740, 360, "740x360"),
    (780, 360, "780x360"),
    (800, 360, "800x360"),
    (812, 375, "812x375"),
    (844, 390, "844x390"),
    (851, 393, "851x393"),
    (852, 393, "852x393"),
    (873, 393, "873x393"),
    (896, 414, "896x414"),
    (915, 412, "915x412"),
    (926, 428, "926x428"),
    (932, 430, "932x430"),
    (1024, 768, "1024x768"),
    (1180, 820, "1180x820"),
    (1194, 834, "1194x834"),
    (1280, 720, "1280x720"),
    (1280, 800, "1280x800"),
    (1280, 1024, "1280x1024"),
    (1366, 768, "1366x768"),
    (1366, 1024, "1366x1024"),
    (1440, 900, "1440x900"),
    (1470, 956, "1470x956"),
    (1512, 982, "1512x982"),
    (1536, 864, "1536x864"),
    (1600, 900, "1600x900"),
    (1680, 1050, "1680x1050"),
    (1920, 1080, "1920x1080"),
    (1920, 1200, "1920x1200"),
    (2560, 1080, "2560x1080"),
    (2560, 1440, "2560x1440"),
    (2560, 1600, "2560x1600"),
    (3440, 1440, "3440x1440"),
    (3840, 2160, "3840x2160"),
    (800, 0, "other, under 800"),
    (1200, 0, "other, under 1200"),
    (1600, 0, "other, under 1600"),
    (2000, 0, "other, under 2000"),
    (u32::MAX, 0, "other, 2000 and more"),
];

/// Bits per pixel, class.
pub(super) const DEPTHS: &[(u32, &str)] =
    &[(24, "depth 24"), (30, "depth 30"), (32, "depth 32"), (u32::MAX, "depth other")];

/// Upper bound of device pixels per CSS pixel times 100, class. Between the usual steps lies what zooming makes of them.
pub(super) const RATIOS: &[(u32, &str)] = &[
    (95, "ratio under 1"),
    (110, "ratio 1"),
    (140, "ratio 1.25"),
    (175, "ratio 1.5"),
    (225, "ratio 2"),
    (275, "ratio 2.5"),
    (325, "ratio 3"),
    (u32::MAX, "ratio over 3"),
];

/// Class, how much of the screen the window takes.
pub(super) const WINDOWS: &[(&str, &str)] =
    &[("window full", "full"), ("window large", "large"), ("window medium", "medium"), ("window small", "small")];
