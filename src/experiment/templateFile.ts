/** Whether `template` is the path of a file; else it is the name of one of the model's templates. */
export const isTemplateFile = (template: string): boolean => /\.jinja$/i.test(template);
