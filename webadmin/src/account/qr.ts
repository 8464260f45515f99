// svgSource is a picture from the server as the source of an <img>: there it is drawn, and nothing in it can run.
export const svgSource = (svg: string): string => `data:image/svg+xml,${encodeURIComponent(svg)}`;
