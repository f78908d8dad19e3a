import ByteIO

/// What the first bytes of a file say about the machine that can load it.
public struct LibraryImage: Sendable, Equatable {
  public enum System: String, Sendable {
    case linux = "Linux"
    case macOS = "macOS"
    case windows = "Windows"
  }

  public let system: System
  /// As the system writes them: `x86_64`, `arm64`; several in one file on macOS.
  public let architectures: [String]

  /// The machine that this program was built for.
  public static let host = LibraryImage(system: hostSystem, architectures: [hostArchitecture])

  #if os(macOS)
    private static let hostSystem = System.macOS
  #elseif os(Windows)
    private static let hostSystem = System.windows
  #else
    private static let hostSystem = System.linux
  #endif
  #if arch(arm64)
    private static let hostArchitecture = "arm64"
  #elseif arch(x86_64)
    private static let hostArchitecture = "x86_64"
  #else
    private static let hostArchitecture = "another processor"
  #endif

  /// Nil when the bytes begin no library that we know.
  init?(beginning: [UInt8]) {
    if beginning.starts(with: [0x7f, 0x45, 0x4c, 0x46]), beginning.count >= 20 {
      // ELF header: e_machine at byte 18; all machines of interest are little-endian.
      let machine = Int(beginning[18]) | Int(beginning[19]) << 8
      self.init(
        system: .linux, architectures: [[62: "x86_64", 183: "arm64"][machine] ?? "machine \(machine)"])
    } else if beginning.starts(with: [0xcf, 0xfa, 0xed, 0xfe]), beginning.count >= 8 {
      // Mach-O header: the processor's type at byte 4.
      let type = Int(beginning[4]) | Int(beginning[7]) << 24
      self.init(system: .macOS, architectures: [LibraryImage.machName(type)])
    } else if beginning.starts(with: [0xca, 0xfe, 0xba, 0xbe]), beginning.count >= 8 {
      // Fat header, big-endian: a count, then 20 bytes for each processor.
      let count = min(Int(beginning[7]), (beginning.count - 8) / 20)
      let names = (0..<count).map { index in
        LibraryImage.machName(Int(beginning[8 + 20 * index]) << 24 | Int(beginning[11 + 20 * index]))
      }
      self.init(system: .macOS, architectures: names)
    } else if beginning.starts(with: [0x4d, 0x5a]), beginning.count >= 64 {
      // The new header's offset at byte 60, its machine 4 bytes behind it.
      let start = Int(beginning[60]) | Int(beginning[61]) << 8
      guard start + 6 <= beginning.count else { return nil }
      let machine = Int(beginning[start + 4]) | Int(beginning[start + 5]) << 8
      self.init(
        system: .windows,
        architectures: [[0x8664: "x86_64", 0xaa64: "arm64"][machine] ?? "machine \(machine)"])
    } else {
      return nil
    }
  }

  private static func machName(_ type: Int) -> String {
    [0x0100_0007: "x86_64", 0x0100_000c: "arm64"][type] ?? "machine \(type)"
  }

  private init(system: System, architectures: [String]) {
    self.system = system
    self.architectures = architectures
  }

  /// Why the file at `path` cannot be a library for this machine, or nil when it may be one.
  public static func objection(toFile path: String) -> String? {
    let beginning: [UInt8]
    do throws(ByteIOError) {
      let file = try MappedFile(path: path)
      let count = min(4096, file.byteCount)
      beginning = (0..<count).map { file.bytes[$0] }
    } catch {
      return error.message
    }
    guard let image = LibraryImage(beginning: beginning) else {
      return "it is no shared library (it begins with \(shown(beginning)))"
    }
    if image.system != host.system {
      return "it is a library for \(image.system.rawValue), and this is \(host.system.rawValue)"
    }
    if !image.architectures.contains(hostArchitecture) {
      let names = image.architectures.joined(separator: " and ")
      return "it is built for \(names), and this program for \(hostArchitecture)"
    }
    return nil
  }

  private static func shown(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "nothing: the file is empty" }
    let first = bytes.prefix(16)
    if first.allSatisfy({ (0x20..<0x7f).contains($0) || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }) {
      let line =
        String(decoding: bytes.prefix(24), as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
      return "the text \"\(line)\""
    }
    let digits = first.prefix(4).map { byte in
      let text = String(byte, radix: 16)
      return text.utf8.count == 1 ? "0" + text : text
    }
    return "the bytes \(digits.joined(separator: " "))"
  }
}
