/// Text for HTML: escaped, and without characters that change the direction of writing or mean nothing.
struct HTMLText: ExpressibleByStringLiteral, ExpressibleByStringInterpolation, Sendable {
  /// Markup that is ready to stand in a page.
  private(set) var markup: String

  init(stringLiteral value: String) { markup = value }

  init(stringInterpolation: Interpolation) { markup = stringInterpolation.markup }

  init() { markup = "" }

  init(joining parts: [HTMLText]) { markup = parts.map(\.markup).joined() }

  static func += (left: inout HTMLText, right: HTMLText) { left.markup += right.markup }

  /// Literal parts are markup; what is interpolated is text and becomes escaped, unless it is markup itself.
  struct Interpolation: StringInterpolationProtocol {
    fileprivate var markup = ""

    init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(literalCapacity * 2) }

    mutating func appendLiteral(_ literal: String) { markup += literal }
    mutating func appendInterpolation(_ text: String) { markup += HTMLText.escaped(text) }
    mutating func appendInterpolation(_ number: Int) { markup += String(number) }
    mutating func appendInterpolation(_ html: HTMLText) { markup += html.markup }
    mutating func appendInterpolation(_ list: [HTMLText]) { markup += list.map(\.markup).joined() }
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default:
        let isHidden =
          switch scalar.value {
          case 0x09, 0x0A: false
          case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFFFE,
            0xFFFF:
            true
          default: false
          }
        if isHidden {
          result += "\\u{\(String(scalar.value, radix: 16))}"
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }
}
