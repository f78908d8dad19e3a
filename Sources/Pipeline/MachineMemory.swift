#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The memory of the machine.
public enum MachineMemory {
  /// Bytes that are installed.
  public static var totalByteCount: Int {
    let pages = Int(sysconf(Int32(_SC_PHYS_PAGES)))
    let size = Int(sysconf(Int32(_SC_PAGESIZE)))
    return pages > 0 && size > 0 ? pages * size : 0
  }

  /// Bytes that programs can have without pushing others out; half of the installed ones where the system does not
  /// tell.
  public static var availableByteCount: Int {
    line("MemAvailable:", of: "/proc/meminfo").map { $0 * 1024 } ?? totalByteCount / 2
  }

  /// Lets the peak of this process begin again at what it uses now; false when the system cannot.
  static func resetPeak() -> Bool {
    #if os(Linux)
      // Safe: the path is a text that lives for the call.
      let file = unsafe open("/proc/self/clear_refs", O_WRONLY)
      guard file >= 0 else { return false }
      defer { close(file) }
      // Safe: the text lives for the call, which reads its one byte.
      return unsafe write(file, "5", 1) == 1
    #else
      return false
    #endif
  }

  /// The largest resident size since the start, or since `resetPeak`, in bytes.
  static var peakByteCount: Int {
    line("VmHWM:", of: "/proc/self/status").map { $0 * 1024 } ?? Machine.peakMemoryByteCount
  }

  /// What this process uses now, in bytes; 0 where the system does not tell.
  static var residentByteCount: Int { line("VmRSS:", of: "/proc/self/status").map { $0 * 1024 } ?? 0 }

  /// The number in the line of a system file that begins so.
  private static func line(_ beginning: String, of path: String) -> Int? {
    let text = contents(of: path)
    for line in text.split(separator: "\n") where line.hasPrefix(beginning) {
      return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) }
    }
    return nil
  }

  /// A small file of the system, which has no length and cannot be mapped; "" when it is not there.
  static func contents(of path: String) -> String {
    // Safe: the path is a text that lives for the call.
    let file = unsafe open(path, O_RDONLY)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while bytes.count < 1 << 20 {
      // Safe: the pointer and the count are those of the array.
      let count = unsafe piece.withUnsafeMutableBytes { buffer in
        unsafe read(file, buffer.baseAddress, buffer.count)
      }
      guard count > 0 else { break }
      bytes += piece[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
