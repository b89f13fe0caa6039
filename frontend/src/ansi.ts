/**
 * Colours of a terminal, brought down to the eight that have a name.
 *
 * A program that asks for a colour by number or by its parts chose it for a dark terminal. Only the
 * eight named ones can be given a form that is readable on the page's own ground, light or dark.
 */

/** `38;5;n`, `48;5;n`, `38;2;r;g;b` and `48;2;r;g;b` inside a "select graphic rendition" sequence. Source: ECMA-48, 8.3.117. */
const SEQUENCE = /\x1b\[([0-9;]*)m/g;
const COLOUR = /(?<=^|;)([34])8;(?:5;(\d+)|2;(\d+);(\d+);(\d+))(?=;|$)/g;

export function inEightColours(text: string): string {
  return text.replace(SEQUENCE, (_, parameters: string) => {
    const named = parameters.replace(COLOUR, (_, ground: string, index: string | undefined, ...parts: string[]) => {
      const [red, green, blue] = parts.map(Number) as [number, number, number];
      return ground + (index === undefined ? named8(red, green, blue) : named256(Number(index)));
    });
    return `\x1b[${named}m`;
  });
}

/** The 256 colours: 16 named, a cube of 6 × 6 × 6, 24 greys. */
function named256(index: number): number {
  if (index < 16) return index % 8;
  if (index >= 232) return grey((index - 232) * 10 + 8);
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return named8(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/** Each part counts as there when it is nearer to the strongest than to the weakest. */
function named8(red: number, green: number, blue: number): number {
  const [most, least] = [Math.max(red, green, blue), Math.min(red, green, blue)];
  if (most - least < 40) return grey(most);
  const middle = (most + least) / 2;
  return (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
}

/** Black and white mean "as strong as the text" and "weaker", whichever way round the ground is. */
function grey(value: number): number {
  return value > 60 ? 7 : 0;
}
