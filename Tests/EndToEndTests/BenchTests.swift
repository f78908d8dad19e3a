import Foundation
import TestSupport
import Testing

@Suite("whisperq bench")
struct BenchTests {
  private struct Document: Decodable {
    struct Result: Decodable {
      let path: String
      let provider: String
      let error: String?
      let measured: Measured?
    }
    struct Measured: Decodable {
      struct Entry: Decodable {
        let `operator`: String
        let nodes: Int
        let seconds: Double
        let share: Double
      }
      let threads: Int
      let loadSeconds: Double
      let firstSeconds: Double
      let seconds: [Double]
      let medianSeconds: Double
      let spread: Double?
      let stable: Bool?
      let ratio: Double?
      let peakMemoryBytes: Int?
      let realTimeFactor: Double?
      let tokensPerSecond: Double?
      let profile: [Entry]
    }
    let exitCode: Int
    let results: [Result]
  }

  private static func run(_ arguments: [String], exitCode: Int32 = 0) throws -> Document {
    let result = try WhisperQBinary.run(["bench", "--json"] + arguments, timeLimit: .seconds(300))
    #expect(result.exitCode == exitCode, "\(result.stderr)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let document = try decoder.decode(Document.self, from: Data(result.stdoutBytes))
    #expect(document.exitCode == Int(exitCode))
    return document
  }

  @Test(
    "An encoder is rated by real time, a decoder by tokens per second; the second is compared with the first")
  func rates() throws {
    let encoder = Quantized.layout("torchscript/encoder_model.onnx")
    let decoder = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let found = try Self.run([encoder, decoder, "--ep", "embedded", "--runs", "4"])
    #expect(found.results.map(\.path) == [encoder, decoder])
    let first = try #require(found.results[0].measured)
    let second = try #require(found.results[1].measured)
    #expect(first.seconds.count == 4 && first.ratio == 1)
    let factor = try #require(first.realTimeFactor)
    #expect(abs(factor - 30 / first.medianSeconds) < 1e-6 * factor && first.tokensPerSecond == nil)
    let rate = try #require(second.tokensPerSecond)
    #expect(abs(rate - 1 / second.medianSeconds) < 1e-6 * rate && second.realTimeFactor == nil)
    let ratio = try #require(second.ratio)
    #expect(abs(ratio - second.medianSeconds / first.medianSeconds) < 1e-9)
    #if os(Linux)
      #expect((first.peakMemoryBytes ?? 0) > 1 << 20)
    #endif
  }

  @Test("Without --runs it stops by itself, within the time")
  func stable() throws {
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let result = try WhisperQBinary.run(["bench", path, "--ep", "embedded", "--time", "1"])
    #expect(result.exitCode == 0 && result.elapsed < .seconds(30), "\(result.stderr)")
    #expect(result.stdout.contains("tokens/s") && result.stdout.contains("1.00x"))
  }

  @Test("A fixed number of runs is no search for stable times, and one run does not scatter")
  func fixed() throws {
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let found = try Self.run([path, "--ep", "embedded", "--runs", "3"])
    let three = try #require(found.results[0].measured)
    #expect(three.stable == nil && three.spread != nil)
    let one = try WhisperQBinary.run(["bench", path, "--ep", "embedded", "--runs", "1"])
    #expect(one.exitCode == 0 && !one.stdout.contains("scattering") && !one.stdout.contains("±"))
    #expect(try Self.run([path, "--ep", "embedded", "--runs", "1"]).results[0].measured?.spread == nil)
    let negative = try WhisperQBinary.run(["bench", path, "--runs", "-1"])
    #expect(negative.exitCode == 64 && negative.stderr.contains("--runs takes 1 or more"))
  }

  @Test("What contradicts itself is refused, and what is missing does not hide the others")
  func contradictions() throws {
    let folder = try TemporaryFolder()
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let refused = try WhisperQBinary.run(["bench", path, "--ep", "cpu", "--require-npu"])
    #expect(refused.exitCode == 64 && refused.stderr.contains("--ep cpu leaves it out"))
    let found = try Self.run(
      [folder.path("none.onnx"), path, "--ep", "embedded", "--runs", "1"], exitCode: 4)
    #expect(found.results[0].error?.contains("no such file") ?? false)
    #expect(found.results[1].measured != nil)
    // A library that was named must be right, though nobody asked for the provider.
    let wrong = try Self.run([path, "--runs", "1", "--ort-library", folder.path("none.so")], exitCode: 3)
    #expect(wrong.results.map(\.provider) == ["cpu", "embedded"] && wrong.results[1].measured != nil)
  }

  @Test("The profile names operators with their nodes, most time first, and its shares are the whole")
  func profile() throws {
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let found = try Self.run([path, "--ep", "embedded", "--runs", "1", "--profile"])
    let profile = try #require(found.results[0].measured).profile
    #expect(profile.first { $0.operator == "MatMul" }?.nodes ?? 0 > 10)
    #expect(abs(profile.reduce(0) { $0 + $1.share } - 1) < 1e-6)
    #expect(zip(profile, profile.dropFirst()).allSatisfy { $0.seconds >= $1.seconds })
    let text = try WhisperQBinary.run(["bench", path, "--ep", "embedded", "--runs", "1", "--profile"])
    #expect(text.stdout.contains("node by node, without fusing"))
  }

  @Test("A provider that is missing is an error with its reason, and the others are still measured")
  func missing() throws {
    let folder = try TemporaryFolder()
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let found = try Self.run(
      [path, "--ep", "cpu,embedded", "--runs", "1", "--ort-library", folder.path("none.so")], exitCode: 3)
    #expect(found.results.map(\.provider) == ["cpu", "embedded"])
    #expect(found.results[0].error?.contains("none.so") ?? false)
    #expect(found.results[1].measured != nil)
  }

  @Test("ONNX Runtime's own profile is read, and its file does not stay behind")
  func runtimeProfile() throws {
    let runtime = try FetchedRuntime.options()
    let path = Quantized.layout("torchscript/encoder_model.onnx")
    let found = try Self.run([path, "--ep", "cpu,embedded", "--runs", "2", "--profile"] + runtime)
    let profile = try #require(found.results[0].measured).profile
    #expect(
      profile.contains { $0.operator == "MatMul" || $0.operator == "Gemm" || $0.operator == "Attention" })
    let left = try FileManager.default.contentsOfDirectory(
      atPath: FileManager.default.temporaryDirectory.path)
    #expect(!left.contains { $0.hasPrefix("whisperq-profile-") })
  }
}
