import Foundation
import ModelStore
import Synchronization
import TestSupport
import Testing

/// The server of `Tests/Oracles/scripted_server.py`, started once for all tests of this process.
final class TransferServer: Sendable {
  /// A request as the server saw it.
  struct Request: Decodable {
    var server: String
    var path: String?
    var range: String?
    var ifRange: String?
    var authorization: String?
    var time: Double?

    enum CodingKeys: String, CodingKey {
      case server, path, range, authorization, time
      case ifRange = "if_range"
    }
  }

  let ports: [Int]
  private let process: Process

  private init(ports: [Int], process: Process) {
    self.ports = ports
    self.process = process
  }

  private static let shared = Mutex<TransferServer?>(nil)

  /// The running server; cancels the test with the reason when there is no Python or libcurl.
  static func running() throws -> TransferServer {
    do {
      _ = try Downloader()
    } catch {
      try Test.cancel("needs libcurl: \(error.message)")
    }
    return try shared.withLock { server in
      if let server { return server }
      let new = try start(certificate: [])
      server = new
      return new
    }
  }

  /// A server of its own; `certificate` is a certificate and its key, and then the third port speaks TLS.
  static func start(certificate: [String]) throws -> TransferServer {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    let isThere = FileManager.default.isExecutableFile(atPath: PythonOracle.interpreter)
    process.arguments =
      [isThere ? PythonOracle.interpreter : "python3", PackageRoot.path("Tests/Oracles/scripted_server.py")]
      + certificate
    let output = Pipe()
    // Open as long as this process lives; its end is the server's end.
    process.standardInput = Pipe()
    process.standardOutput = output
    try process.run()
    var line = ""
    while !line.hasSuffix("\n") {
      let bytes = output.fileHandleForReading.availableData
      if bytes.isEmpty { try Test.cancel("needs Python 3 to run a web server") }
      line += String(decoding: bytes, as: UTF8.self)
    }
    return TransferServer(
      ports: line.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }, process: process)
  }

  var endpoint: String { "http://127.0.0.1:\(ports[0])" }

  /// A new address whose requests walk through `script`; the path is that of a file of `byteCount` bytes.
  func address(
    _ script: String, byteCount: Int = 1000, name: String = "model.bin"
  ) throws -> (address: WebAddress, id: String) {
    let id = UUID().uuidString
    return (try WebAddress("\(endpoint)/do/\(id)/\(script)/\(name)?size=\(byteCount)"), id)
  }

  /// What was asked for under an id.
  func log(_ id: String) throws -> [Request] {
    let address = try WebAddress("\(endpoint)/log/\(id)")
    let response = try Downloader(settings: Pauses().settings).contents(of: address)
    return try JSONDecoder().decode([Request].self, from: Data(response.bytes))
  }

  /// The content that the server sends.
  static func content(_ byteCount: Int, version: Int = 0) -> [UInt8] {
    (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 * 131 + ($0 >> 8) * 7 + version) }
  }
}

/// The pauses between attempts, which the tests do not wait for.
final class Pauses: Sendable {
  private let list = Mutex<[Duration]>([])
  private let stallLimit: Duration

  /// Long enough by default that a busy machine is not taken for a stalled server.
  init(stallLimit: Duration = .seconds(15)) { self.stallLimit = stallLimit }

  var all: [Duration] { list.withLock { $0 } }

  /// Settings that record the pauses and do not make them.
  var settings: TransferSettings {
    var settings = TransferSettings()
    settings.proxy = .none
    settings.stallLimit = stallLimit
    settings.retries.progressByteCount = 1
    settings.retries.pause = { [self] length, _ in list.withLock { $0.append(length) } }
    return settings
  }
}
