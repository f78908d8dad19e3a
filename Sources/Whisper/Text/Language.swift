/// A language that Whisper was trained for.
public struct Language: Sendable, Hashable {
  /// The code in the language's token: ISO 639-1 where there is one, `pt`; `jw` for Javanese, as Whisper has
  /// it.
  public let code: String
  /// The English name in small letters.
  public let name: String

  /// All languages, in the order of their tokens. Models before large-v3 lack the last one, Cantonese.
  public static let all: [Language] = table.split(separator: " ").map { entry in
    let parts = entry.split(separator: ":")
    return Language(code: String(parts[0]), name: parts[1].split(separator: "_").joined(separator: " "))
  }

  /// The language of a code or an English name, in any case: `pt`, `Portuguese`, `flemish`.
  public init?(_ text: String) {
    let wanted = text.lowercased()
    let code = Self.otherNames[wanted] ?? wanted
    guard let found = Self.all.first(where: { $0.code == code || $0.name == code }) else { return nil }
    self = found
  }

  init(code: String, name: String) {
    self.code = code
    self.name = name
  }

  /// English, the one language of models whose names end in `.en`.
  public static let english = Language(code: "en", name: "english")

  /// Source: the tokenizer published with Whisper (names and order).
  private static let table = """
    en:english zh:chinese de:german es:spanish ru:russian ko:korean fr:french ja:japanese \
    pt:portuguese tr:turkish pl:polish ca:catalan nl:dutch ar:arabic sv:swedish it:italian \
    id:indonesian hi:hindi fi:finnish vi:vietnamese he:hebrew uk:ukrainian el:greek ms:malay cs:czech \
    ro:romanian da:danish hu:hungarian ta:tamil no:norwegian th:thai ur:urdu hr:croatian bg:bulgarian \
    lt:lithuanian la:latin mi:maori ml:malayalam cy:welsh sk:slovak te:telugu fa:persian lv:latvian \
    bn:bengali sr:serbian az:azerbaijani sl:slovenian kn:kannada et:estonian mk:macedonian br:breton \
    eu:basque is:icelandic hy:armenian ne:nepali mn:mongolian bs:bosnian kk:kazakh sq:albanian \
    sw:swahili gl:galician mr:marathi pa:punjabi si:sinhala km:khmer sn:shona yo:yoruba so:somali \
    af:afrikaans oc:occitan ka:georgian be:belarusian tg:tajik sd:sindhi gu:gujarati am:amharic \
    yi:yiddish lo:lao uz:uzbek fo:faroese ht:haitian_creole ps:pashto tk:turkmen nn:nynorsk mt:maltese \
    sa:sanskrit lb:luxembourgish my:myanmar bo:tibetan tl:tagalog mg:malagasy as:assamese tt:tatar \
    haw:hawaiian ln:lingala ha:hausa ba:bashkir jw:javanese su:sundanese yue:cantonese
    """

  private static let otherNames = [
    "burmese": "my", "valencian": "ca", "flemish": "nl", "haitian": "ht", "letzeburgesch": "lb",
    "pushto": "ps",
    "panjabi": "pa", "moldavian": "ro", "moldovan": "ro", "sinhalese": "si", "castilian": "es",
    "mandarin": "zh",
    "jv": "jw",
  ]
}
