/// What kind of audio file this is by its first bytes; names and extensions do not count.
enum AudioContainer: Equatable {
  /// RIFF, RF64 or BW64 with a WAVE form: our own reader takes it.
  case wav
  /// Another container, in words; ffmpeg takes it.
  case foreign(String)

  /// As many bytes as `init` looks at.
  static let prefixLength = 12

  /// Nil when the bytes are the beginning of nothing known.
  init?(firstBytes bytes: [UInt8]) {
    func has(_ text: StaticString, at offset: Int = 0) -> Bool {
      // Static text of ASCII letters; the buffer is read within its count.
      let wanted = unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
      guard bytes.count >= offset + wanted.count else { return false }
      return unsafe bytes[offset..<(offset + wanted.count)].elementsEqual(wanted)
    }
    if has("WAVE", at: 8), has("RIFF") || has("RF64") || has("BW64") {
      self = .wav
    } else if has("WAVE", at: 8), has("RIFX") {
      self = .foreign("big-endian WAV (RIFX)")
    } else if has("RIFF"), has("AVI ", at: 8) {
      self = .foreign("AVI")
    } else if has("fLaC") {
      self = .foreign("FLAC")
    } else if has("OggS") {
      self = .foreign("Ogg")
    } else if has("ftyp", at: 4) {
      self = .foreign("MP4 (M4A)")
    } else if has("FORM"), has("AIFF", at: 8) || has("AIFC", at: 8) {
      self = .foreign("AIFF")
    } else if bytes.starts(with: [0x1A, 0x45, 0xDF, 0xA3]) {
      self = .foreign("Matroska (WebM)")
    } else if bytes.starts(with: [0x30, 0x26, 0xB2, 0x75]) {
      self = .foreign("Windows Media (ASF)")
    } else if has("caff") {
      self = .foreign("Core Audio (CAF)")
    } else if has(".snd") {
      self = .foreign("Sun audio (AU)")
    } else if has("#!AMR") {
      self = .foreign("AMR")
    } else if has("ID3") {
      self = .foreign("MP3")
    } else if bytes.count >= 3, bytes[0] == 0xFF, bytes[1] & 0xF6 == 0xF0, bytes[2] & 0x3C < 0x34 {
      // The sync word of ADTS with layer 0 and one of the 13 rates.
      self = .foreign("AAC")
    } else if bytes.count >= 3, bytes[0] == 0xFF, bytes[1] & 0xE0 == 0xE0, bytes[1] & 0x18 != 0x08,
      [0x02, 0x04].contains(bytes[1] & 0x06), bytes[2] & 0xF0 != 0xF0, bytes[2] & 0x0C != 0x0C
    {
      // The sync word of MPEG audio with a version, layer (II or III), bit rate and rate that exist.
      self = .foreign("MP3")
    } else {
      return nil
    }
  }
}
