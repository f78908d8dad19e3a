import Foundation
import QuantPlan
import Testing

@Suite("Policies are read strictly")
struct PolicyTests {
  private func read(_ json: String) throws -> QuantPolicy {
    try JSONDecoder().decode(QuantPolicy.self, from: Data(json.utf8))
  }

  private func complaint(_ json: String) -> String {
    do {
      _ = try read(json)
      return ""
    } catch DecodingError.dataCorrupted(let context) {
      return context.debugDescription
    } catch DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context) {
      return "type of " + context.codingPath.map(\.stringValue).joined(separator: ".")
    } catch DecodingError.keyNotFound(let key, _) {
      return "no " + key.stringValue
    } catch {
      return "\(error)"
    }
  }

  @Test("an empty policy is the default one")
  func empty() throws {
    #expect(try read("{}") == QuantPolicy())
    #expect(QuantPolicy().objection == nil)
  }

  @Test("every key is read, and written as it is read")
  func everyKey() throws {
    let text = """
      {"scheme": "weight-int4", "granularity": "channel", "block_size": 64, "symmetric": false,
       "range": "least-squares", "format": "qdq", "convolutions": "always", "embeddings": false, "io": "fp16",
       "minimum_elements": 7, "include": ["a*"], "exclude": ["op:Conv", "b"],
       "exceptions": [{"match": "c", "leave": true}, {"match": "d", "bits": 4, "granularity": "block",
         "block_size": 16, "symmetric": true, "range": "maximum"}]}
      """
    let policy = try read(text)
    var expected = QuantPolicy()
    expected.scheme = .weightInt4
    expected.granularity = .channel
    expected.blockSize = 64
    expected.symmetric = false
    expected.range = .leastSquares
    expected.format = .qdq
    expected.convolutions = .always
    expected.embeddings = false
    expected.borderTypes = .fp16
    expected.minimumElementCount = 7
    expected.include = ["a*"]
    expected.exclude = ["op:Conv", "b"]
    var first = QuantPolicy.Exception(match: "c")
    first.leave = true
    var second = QuantPolicy.Exception(match: "d")
    (second.bits, second.granularity, second.blockSize, second.symmetric, second.range) = (
      4, .block, 16, true, .maximum
    )
    expected.exceptions = [first, second]
    #expect(policy == expected)
    #expect(try JSONDecoder().decode(QuantPolicy.self, from: JSONEncoder().encode(policy)) == policy)
    let written = try #require(
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(policy)) as? [String: Any])
    let given = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(Set(written.keys) == Set(given.keys))
  }

  @Test("an unknown key is named, with the known ones")
  func unknownKeys() {
    let known =
      "scheme, granularity, block_size, symmetric, range, format, convolutions, embeddings, io, "
      + "minimum_elements, include, exclude, exceptions"
    #expect(complaint("{\"blocksize\": 32}") == "unknown key 'blocksize'; known are \(known)")
    #expect(
      complaint("{\"exceptions\": [{\"match\": \"a\", \"skip\": true}]}")
        == "unknown key 'skip'; known are match, leave, bits, granularity, block_size, symmetric, range")
  }

  @Test(
    "a value of another type is refused at its place",
    arguments: [
      ("{\"block_size\": \"32\"}", "type of block_size"), ("{\"symmetric\": 1}", "type of symmetric"),
      ("{\"include\": \"a\"}", "type of include"), ("{\"exceptions\": {}}", "type of exceptions"),
      ("{\"exceptions\": [{}]}", "no match"), ("{\"scheme\": 8}", "type of scheme"), ("[]", "type of "),
      ("{\"exceptions\": [{\"match\": \"a\", \"bits\": \"4\"}]}", "type of exceptions.Index 0.bits"),
    ])
  func wrongTypes(json: String, expected: String) {
    #expect(complaint(json) == expected)
  }

  @Test(
    "an unknown word for a scheme, granularity, range, format, convolutions or io is refused",
    arguments: [
      "scheme", "granularity", "range", "format", "convolutions", "io",
    ])
  func unknownWords(key: String) {
    #expect(complaint("{\"\(key)\": \"int3\"}").contains("int3"))
  }

  @Test("settings that cannot be done are objected to, with a remedy")
  func objections() {
    var policy = QuantPolicy()
    for size in [16, 32, 64, 128, 256] {
      policy.blockSize = size
      #expect(policy.objection == nil)
    }
    for size in [0, -32, 8, 48, 512] {
      policy.blockSize = size
      #expect(policy.objection == "block size \(size) is not possible; choose 16, 32, 64, 128 or 256")
    }
    policy.blockSize = 32
    policy.minimumElementCount = -1
    #expect(policy.objection == "minimum_elements is negative; give 0 or more")
    policy.minimumElementCount = 0
    #expect(policy.objection == nil)
    policy.exceptions = [QuantPolicy.Exception(match: "a*")]
    policy.exceptions[0].bits = 5
    #expect(policy.objection == "5 bits for 'a*' are not possible; choose 4 or 8")
    policy.exceptions[0].bits = 4
    policy.exceptions[0].blockSize = 20
    #expect(policy.objection == "block size 20 for 'a*' is not possible; choose 16, 32, 64, 128 or 256")
  }
}
